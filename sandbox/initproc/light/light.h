/* A Go runtime that costs little where it does little; see light.c. */
#ifndef SAFE_RUN_LIGHT_H
#define SAFE_RUN_LIGHT_H
#endif
