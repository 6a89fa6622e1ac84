// Fluxcrds prints the CustomResourceDefinitions of Flux' kinds, as Flux' own build makes them: from
// the Go types of its API, by controller-gen's library.
//
// It reads the sources of these types. Its argument is the directory of a module that requires them.
package main

import (
	"log"
	"os"

	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/genall"

	// A build has them fetched, and go.mod and go.sum pin them.
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/fluxcd/kustomize-controller/api/v1"
	_ "github.com/fluxcd/source-controller/api/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: fluxcrds MODULE")
	}
	if err := os.Chdir(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	var generator genall.Generator = crd.Generator{}
	runtime, err := genall.Generators{&generator}.ForRoots(
		"github.com/fluxcd/helm-controller/api/v2",
		"github.com/fluxcd/kustomize-controller/api/v1",
		"github.com/fluxcd/source-controller/api/v1",
	)
	if err != nil {
		log.Fatal(err)
	}
	runtime.OutputRules.Default = genall.OutputToStdout
	if failed := runtime.Run(); failed {
		os.Exit(1)
	}
}
