/* Entry points that run before the Go runtime; see early.c. */
#ifndef SAFE_RUN_EARLY_H
#define SAFE_RUN_EARLY_H
#include <stddef.h>
extern int safe_run_settles;
extern int safe_run_idle;
void safe_run_warden(const char *root, const char *id);
int safe_run_tidy(const char *id);
void safe_run_exec_warden(void);
void safe_run_drain(void);
void safe_run_version(void);
int safe_run_reaper(int argc, char **argv);
int safe_run_prepared(void);
void safe_run_pool_client(char **argv);
int safe_run_read_whole(int fd, void *data, size_t size);
#endif
