// Package looks is what a program looks at inside, once in a container and once as
// a unit of systemd's: commands of peek's.
package looks

// All are one argument of `peek each`.
const All = "id;cwd;status CapBnd;status CapEff;status CapAmb;status NoNewPrivs;status Seccomp;limits;interfaces;" +
	"write /file;write /etc/file;write /tmp/file;write /dev/shm/file;write /run/file;exec /tmp;exec /dev/shm;" +
	"write /proc/sys/kernel/hostname;write /proc/sysrq-trigger;read /proc/kallsyms;read /proc/kcore;" +
	"mount /tmp;mknod /tmp/node;socket 2 1 0;socket 17 3 0;socket 16 3 0;socket 1 1 0;int80;x32;call keyctl 0 0 0;call unshare 268435456;" +
	"call ptrace 0 0 0 0;call bpf 0 0 0;call add_key 0 0 0 0 0;call memfd_create s:x 0;ns pid;userns"
