int safe_run_keeper(int cgroup);
