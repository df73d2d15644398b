/* What is written inside the namespaces of another process. */
struct safe_run_inside {
	int user, pid; /* descriptors of namespaces to join, or -1 */
	int count;
	const char **paths, **values;
	/* What came of it: -1, or which of them failed (count: a namespace), and why. */
	int failed, error;
};

/* safe_run_inside gives 0 when all was written, or -errno. */
int safe_run_inside(struct safe_run_inside *in);
