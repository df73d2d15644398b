#pragma once

#include <stddef.h>

void safe_run_filter_record(void);
size_t safe_run_filter_recorded(const void **question);
void safe_run_filter_answer(const void *question, size_t length, const void *program, size_t size);
int safe_run_filter_answered(void);
void safe_run_filter_confine(void);
