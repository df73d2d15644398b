/* What is written inside the namespaces of another process. */
struct safe_run_inside {
	int user, pid, ipc; /* descriptors of namespaces to join, or -1 */
	int proc;           /* the root of a proc file system */
	int count;
	int first;                    /* so many are of the ipc namespace, and come first */
	const char **paths, **values; /* the paths from that root */
	/* What came of it: -1, or which of them failed (count: a namespace), and why. */
	int failed, error;
};

/* safe_run_inside gives 0 when all was written, or -errno. */
int safe_run_inside(struct safe_run_inside *in);
