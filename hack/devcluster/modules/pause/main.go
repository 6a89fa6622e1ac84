// Pause holds the namespaces that the containers of a pod share, until it is told to end.
//
// As process 1 of a pod that shares its process namespace it would also have to collect
// orphans: the kernel does that for a parent which ignores SIGCHLD.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGCHLD)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
