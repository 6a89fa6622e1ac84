// Kstatus prints the status of objects, as kstatus' own library computes it.
//
// It reads a JSON array of objects from standard input, and writes a JSON array with an entry for
// each: the status and the message by sigs.k8s.io/cli-utils, and the status by Flux' fork.
package main

import (
	"encoding/json"
	"log"
	"os"

	flux "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type entry struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Flux    string `json:"flux"`
}

func main() {
	log.SetFlags(0)
	var objects []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		log.Fatal("standard input must be a JSON array of objects: ", err)
	}
	entries := []entry{}
	for _, object := range objects {
		upstream, err := status.Compute(object)
		if err != nil {
			log.Fatal(object.GetName(), ": ", err)
		}
		fork, err := flux.Compute(object)
		if err != nil {
			log.Fatal(object.GetName(), ": ", err)
		}
		entries = append(entries, entry{
			string(upstream.Status), upstream.Message, string(fork.Status),
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(entries); err != nil {
		log.Fatal(err)
	}
}
