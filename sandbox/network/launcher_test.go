package network

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// A launcher is a process that attaches a sandbox and waits: to be many at
// once, and to be killed.
type launch struct {
	Config Config
	Pid    int
	Detach bool // and end, else wait to be killed
	Nobody bool // as a user without privileges
}

func runLauncher() int {
	var l launch
	if err := json.NewDecoder(os.Stdin).Decode(&l); err != nil {
		fmt.Println("launcher:", err)
		return 1
	}
	start := time.Now()
	a, err := Attach(context.Background(), l.Config, l.Pid)
	if err != nil {
		fmt.Println("attach:", err)
		fmt.Println("hint:", problem.HintOf(err))
		return 1
	}
	fmt.Println("attached", time.Since(start))
	if !l.Detach {
		select {}
	}
	if err := a.Detach(); err != nil {
		fmt.Println("detach:", err)
		return 1
	}
	fmt.Println("detached")
	return 0
}
