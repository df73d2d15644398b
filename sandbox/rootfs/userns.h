/* What the child uses; it must stay until the child has ended. */
struct safe_run_userns {
	int read_end;
	int parent;
	void *stack;
};

/* safe_run_userns gives the pid of a child in a new user namespace, or -errno.
 * The child ends when it reads a byte, or when its parent does. */
int safe_run_userns(struct safe_run_userns *u, int read_end);
