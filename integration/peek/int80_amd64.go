package main

// hasInt80 says that this architecture has the 32-bit entry.
const hasInt80 = true

// int80Getpid calls getpid through the 32-bit entry (int 0x80), where its
// number is 20.
func int80Getpid() int32
