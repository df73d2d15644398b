//go:build !amd64

package main

const hasInt80 = false

func int80Getpid() int32 { return -1 }
