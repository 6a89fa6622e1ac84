// Load creates Wegent's objects, watches them, and prints as JSON how long their verdicts took.
//
// Modes:
//
//	create   create objects, and wait for no verdict
//	raw      create objects and write their statuses: the API server's own speed
//	ready    create objects, and wait until another program has made each of them Ready
//	one      as ready, one object after the other
//	change   delete a Ghost with referrers and create it again; wait each time until all are judged
//
// It watches in each of these modes, so that its own part costs the API server the same.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	group        = "/apis/agent.wecode.io/v1/namespaces/"
	botsPerGhost = 10
	promptBytes  = 2000
	within       = 10 * time.Minute
)

type body = map[string]any

type result struct {
	Objects   int     `json:"objects"`
	Seconds   float64 `json:"seconds"`
	CreatedS  float64 `json:"created_s"`
	ReturnedS float64 `json:"returned_s"`
	P50Ms     float64 `json:"p50_ms"`
	P99Ms     float64 `json:"p99_ms"`
	CPUS      float64 `json:"cpu_s"`
}

func main() {
	log.SetFlags(0)
	mode := flag.String("mode", "ready", "create, raw, ready, one or change")
	kubeconfig := flag.String("kubeconfig", "", "of the user who creates")
	statuses := flag.String("statuses", "", "kubeconfig of the writer of statuses, for raw")
	namespace := flag.String("namespace", "load", "is created")
	prefix := flag.String("prefix", "", "of the objects' names")
	count := flag.Int("count", 2000, "objects; with change, referrers")
	atOnce := flag.Int("at-once", 16, "requests")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	load := &load{
		creator: clientOf(*kubeconfig), namespace: *namespace, prefix: *prefix, atOnce: *atOnce,
		writer: clientOf(or(*statuses, *kubeconfig)),
	}
	load.prepare(ctx)
	var done result
	if *mode == "change" {
		done = load.change(ctx, *count)
	} else {
		done = load.create(ctx, *mode, *count)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	done.CPUS = time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		log.Fatal(err)
	}
}

func or(one, other string) string {
	if one != "" {
		return one
	}
	return other
}

// apiServer is the API server with one identity.
type apiServer struct {
	http *http.Client
	url  string
}

func clientOf(kubeconfig string) apiServer {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		log.Fatal(err)
	}
	return apiServer{client, config.Host}
}

// send returns the answer, which the caller must close; it ends the program if it is an error.
func (a apiServer) send(
	ctx context.Context, method, path, contentType string, content any, passes ...int,
) *http.Response {
	var raw bytes.Buffer
	if content != nil {
		if err := json.NewEncoder(&raw).Encode(content); err != nil {
			log.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, &raw)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	answer, err := a.http.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode >= 400 && !slices.Contains(passes, answer.StatusCode) {
		text, _ := io.ReadAll(answer.Body)
		log.Fatalf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return answer
}

func (a apiServer) do(
	ctx context.Context, method, path, contentType string, content, into any, passes ...int,
) {
	answer := a.send(ctx, method, path, contentType, content, passes...)
	defer answer.Body.Close()
	if into != nil && answer.StatusCode < 400 {
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		log.Fatal(err)
	}
}

// seen is the part of an object that this program reads.
type seen struct {
	Metadata struct {
		Name            string `json:"name"`
		Generation      int64  `json:"generation"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration int64  `json:"observedGeneration"`
		Ready              string `json:"ready"`
	} `json:"status"`
}

type load struct {
	creator, writer   apiServer
	namespace, prefix string
	atOnce            int

	lock    sync.Mutex
	waited  map[string]string // the verdict that each object is to get
	began   map[string]time.Time
	delays  []time.Duration
	settled chan struct{}
}

func (l *load) path(plural string) string { return group + l.namespace + "/" + plural }

func (l *load) post(ctx context.Context, plural, kind, name string, spec body) seen {
	var made seen
	l.creator.do(ctx, http.MethodPost, l.path(plural), "application/json", body{
		"apiVersion": "agent.wecode.io/v1", "kind": kind, "metadata": body{"name": name}, "spec": spec,
	}, &made, http.StatusConflict)
	return made
}

// prepare creates the namespace and the objects to which all others refer.
func (l *load) prepare(ctx context.Context) {
	l.creator.do(ctx, http.MethodPost, "/api/v1/namespaces", "application/json", body{
		"apiVersion": "v1", "kind": "Namespace", "metadata": body{"name": l.namespace},
	}, nil, http.StatusConflict)
	l.post(ctx, "models", "Model", "m", body{"provider": "openai", "model": "gpt-4"})
	l.post(ctx, "shells", "Shell", "s", body{"type": "Chat"})
	l.post(ctx, "ghosts", "Ghost", "g", body{"systemPrompt": "You help."})
}

// object returns the plural, kind, name and spec of an object. A Bot's Ghost is that of two groups
// before, so that it exists when 16 are created at once, and no verdict is written twice.
func (l *load) object(number int) (string, string, string, body) {
	size := botsPerGhost + 1
	if number%size == 0 {
		prompt := strings.Repeat("x", promptBytes)
		return "ghosts", "Ghost", l.ghost(number), body{"systemPrompt": prompt}
	}
	ghost := "g"
	if number >= 2*size {
		ghost = l.ghost(number - number%size - 2*size)
	}
	return "bots", "Bot", fmt.Sprintf("%sb%d", l.prefix, number), botOf(ghost)
}

func (l *load) ghost(number int) string { return fmt.Sprintf("%sg%d", l.prefix, number) }

func botOf(ghost string) body {
	return body{
		"ghostRef": body{"name": ghost}, "modelRef": body{"name": "m"}, "shellRef": body{"name": "s"},
	}
}

// create creates objects, and waits until each has its verdict.
func (l *load) create(ctx context.Context, mode string, count int) result {
	if mode != "create" {
		l.expect("True")
		for number := range count {
			plural, _, name, _ := l.object(number)
			l.waited[plural+"/"+name] = "True"
		}
	} else {
		l.expect("")
	}
	l.watch(ctx, "ghosts")
	l.watch(ctx, "bots")
	type written struct {
		plural string
		made   seen
	}
	statuses := make(chan written, count)
	var writers sync.WaitGroup
	if mode == "raw" {
		for range l.atOnce {
			writers.Go(func() {
				for it := range statuses {
					l.judge(ctx, it.plural, it.made)
				}
			})
		}
	}
	atOnce := l.atOnce
	if mode == "one" {
		atOnce = 1
	}
	start := time.Now()
	numbers := make(chan int, count)
	for number := range count {
		numbers <- number
	}
	close(numbers)
	var creators sync.WaitGroup
	for range atOnce {
		creators.Go(func() {
			for number := range numbers {
				plural, kind, name, spec := l.object(number)
				l.begin(plural + "/" + name)
				made := l.post(ctx, plural, kind, name, spec)
				if mode == "raw" {
					statuses <- written{plural, made}
				}
				if mode == "one" {
					l.awaitOne(ctx, plural+"/"+name)
				}
			}
		})
	}
	creators.Wait()
	created := time.Since(start)
	close(statuses)
	writers.Wait()
	if mode != "create" {
		l.await(ctx)
	}
	return l.result(count, time.Since(start), created)
}

// judge writes the status that the operator writes.
func (l *load) judge(ctx context.Context, plural string, made seen) {
	now := time.Now().UTC().Format(time.RFC3339)
	condition := func(kind, reason string) body {
		return body{
			"type": kind, "status": "True", "reason": reason, "message": "",
			"lastTransitionTime": now, "observedGeneration": made.Metadata.Generation,
		}
	}
	conditions := []body{condition("ResolvedRefs", "ResolvedRefs"), condition("Ready", "Ready")}
	if plural == "bots" {
		conditions = append(conditions, condition("Served", "ShellServed"))
	}
	path := l.path(plural) + "/" + made.Metadata.Name + "/status"
	l.writer.do(ctx, http.MethodPatch, path, "application/merge-patch+json", body{
		"metadata": body{"resourceVersion": made.Metadata.ResourceVersion},
		"status": body{
			"observedGeneration": made.Metadata.Generation, "conditions": conditions, "ready": "True",
		},
	}, nil)
}

// change deletes a Ghost with referrers, and creates it again.
func (l *load) change(ctx context.Context, referrers int) result {
	ghost := fmt.Sprintf("%schanged%d", l.prefix, referrers)
	bots := make([]string, referrers)
	for number := range bots {
		bots[number] = fmt.Sprintf("bots/%s-%d", ghost, number)
	}
	l.expect("True", bots...)
	l.watch(ctx, "bots")
	l.post(ctx, "ghosts", "Ghost", ghost, body{"systemPrompt": "You help."})
	gate := make(chan struct{}, l.atOnce)
	var creators sync.WaitGroup
	for _, bot := range bots {
		gate <- struct{}{}
		creators.Go(func() {
			l.post(ctx, "bots", "Bot", strings.TrimPrefix(bot, "bots/"), botOf(ghost))
			<-gate
		})
	}
	creators.Wait()
	l.await(ctx)
	time.Sleep(time.Second) // the operator has nothing left to do

	l.expect("False", bots...)
	start := time.Now()
	l.creator.do(ctx, http.MethodDelete, l.path("ghosts")+"/"+ghost, "application/json", nil, nil)
	l.await(ctx)
	gone := time.Since(start)
	for { // the trash may still hold it
		answer := l.creator.send(
			ctx, http.MethodGet, l.path("ghosts")+"/"+ghost, "application/json", nil, http.StatusNotFound,
		)
		answer.Body.Close()
		if answer.StatusCode == http.StatusNotFound {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Second)
	l.expect("True", bots...)
	start = time.Now()
	l.post(ctx, "ghosts", "Ghost", ghost, body{"systemPrompt": "You help."})
	l.await(ctx)
	done := l.result(referrers, gone, 0)
	done.ReturnedS = time.Since(start).Seconds()
	return done
}

// expect sets the verdict that objects are to get.
func (l *load) expect(ready string, keys ...string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.waited, l.began = map[string]string{}, map[string]time.Time{}
	l.delays, l.settled = nil, make(chan struct{}, 1)
	for _, key := range keys {
		l.waited[key] = ready
	}
}

func (l *load) begin(key string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.began[key] = time.Now()
}

// watch follows the objects of a kind from now on.
func (l *load) watch(ctx context.Context, plural string) {
	var list seen
	path := l.path(plural)
	l.creator.do(ctx, http.MethodGet, path+"?limit=1", "application/json", nil, &list)
	version := list.Metadata.ResourceVersion
	open := func() *http.Response {
		query := "?watch=true&resourceVersion=" + version
		return l.creator.send(ctx, http.MethodGet, path+query, "application/json", nil)
	}
	answer := open()
	go func() {
		events := json.NewDecoder(answer.Body)
		for {
			var event struct {
				Type   string `json:"type"`
				Object seen   `json:"object"`
			}
			if err := events.Decode(&event); err != nil {
				if ctx.Err() != nil {
					return
				}
				// The API server ends watches when it has learnt of a change of the CRD.
				answer.Body.Close()
				answer = open()
				events = json.NewDecoder(answer.Body)
				continue
			}
			if event.Type == "ERROR" {
				log.Fatalf("the watch of %s failed", plural)
			}
			version = event.Object.Metadata.ResourceVersion
			if event.Type != "DELETED" {
				l.note(plural, event.Object)
			}
		}
	}()
}

func (l *load) note(plural string, object seen) {
	l.lock.Lock()
	defer l.lock.Unlock()
	key := plural + "/" + object.Metadata.Name
	wanted, waiting := l.waited[key]
	if !waiting || object.Status.Ready != wanted ||
		object.Status.ObservedGeneration != object.Metadata.Generation {
		return
	}
	delete(l.waited, key)
	if began, known := l.began[key]; known {
		l.delays = append(l.delays, time.Since(began))
	}
	if len(l.waited) == 0 {
		l.settled <- struct{}{}
	}
}

func (l *load) await(ctx context.Context) {
	select {
	case <-l.settled:
	case <-ctx.Done():
		l.lock.Lock()
		defer l.lock.Unlock()
		log.Fatalf("%d objects have no verdict", len(l.waited))
	}
}

func (l *load) awaitOne(ctx context.Context, key string) {
	for ctx.Err() == nil {
		l.lock.Lock()
		_, waiting := l.waited[key]
		l.lock.Unlock()
		if !waiting {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
	log.Fatalf("%s has no verdict", key)
}

func (l *load) result(count int, all, created time.Duration) result {
	l.lock.Lock()
	defer l.lock.Unlock()
	slices.Sort(l.delays)
	at := func(share float64) float64 {
		if len(l.delays) == 0 {
			return 0
		}
		return l.delays[min(len(l.delays)-1, int(share*float64(len(l.delays))))].Seconds() * 1e3
	}
	return result{
		Objects: count, Seconds: all.Seconds(), CreatedS: created.Seconds(),
		P50Ms: at(0.5), P99Ms: at(0.99),
	}
}
