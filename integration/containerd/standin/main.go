// Command standin is in the images that stand in for those which critest fetches
// otherwise: a web server of nginx's or Apache's looks, and what prints its
// effective user.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

func main() {
	name := filepath.Base(os.Args[0])
	if name == "nnp" {
		fmt.Printf("Effective uid: %d\n", os.Geteuid())
		return
	}
	// Apache says who it is when it starts, nginx nothing.
	if name == "httpd" {
		fmt.Fprintln(os.Stderr, "httpd: configured")
	}
	failed := os.WriteFile("/var/run/"+name+".pid", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if failed == nil {
		failed = http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, name)
		}))
	}
	fmt.Fprintln(os.Stderr, failed)
	os.Exit(1)
}
