// Controller is a plain controller of Wegent's kinds, to measure the operator against.
//
// It is written as the book of controller-runtime has it: one controller for each kind, the cache
// of the manager, an index of the references, and a patch of the status that differs. An object is
// Ready if the objects exist to which it refers. It has neither the trash nor grants, Accounts,
// Tasks, Events, or the Groups' namespaces of Wegent's operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	index     = "references"
	finalizer = "agent.wecode.io/trash"
)

func main() {
	// controller-runtime registers --kubeconfig.
	port := flag.Int("port", 8082, "port of /readyz")
	workers := flag.Int("workers", 0, "objects of a kind at once; 0: controller-runtime's default")
	qps := flag.Float64("qps", 0, "client's requests a second; 0: controller-runtime's default")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := run(*port, *workers, *qps); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(port, workers int, qps float64) error {
	rest, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	if qps > 0 {
		rest.QPS, rest.Burst = float32(qps), int(2*qps)
	}
	manager, err := ctrl.NewManager(rest, ctrl.Options{
		Scheme:                 newScheme(),
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: fmt.Sprintf("127.0.0.1:%d", port),
		Controller:             config.Controller{MaxConcurrentReconciles: workers},
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		control[GhostSpec](manager, "Skill"),
		control[ModelSpec](manager, "Model"),
		control[ShellSpec](manager),
		control[SkillSpec](manager),
		control[BotSpec](manager, "Ghost", "Model", "Shell"),
		control[TeamSpec](manager, "Bot"),
		manager.AddReadyzCheck("caches", synced(manager.GetCache())),
	)
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func synced(informers cache.Cache) func(*http.Request) error {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 50e6)
		defer cancel()
		if !informers.WaitForCacheSync(ctx) {
			return errors.New("not yet")
		}
		return nil
	}
}

// control adds the controller of one kind, which refers to the kinds of the referents.
func control[S Spec[S]](manager ctrl.Manager, referents ...string) error {
	reads := manager.GetClient()
	err := manager.GetFieldIndexer().IndexField(
		context.Background(), &Object[S]{}, index,
		func(object client.Object) []string {
			var keys []string
			for _, it := range object.(*Object[S]).Spec.references() {
				keys = append(keys, keyOf(it.kind, target(object, it)))
			}
			return keys
		},
	)
	if err != nil {
		return err
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	building := ctrl.NewControllerManagedBy(manager).For(&Object[S]{}, changed)
	for _, kind := range referents {
		building = building.Watches(emptyOf(kind), handler.EnqueueRequestsFromMapFunc(
			func(ctx context.Context, referent client.Object) []reconcile.Request {
				var referrers List[S]
				key := keyOf(kind, client.ObjectKeyFromObject(referent))
				if reads.List(ctx, &referrers, client.MatchingFields{index: key}) != nil {
					return nil
				}
				var requests []reconcile.Request
				for item := range referrers.Items {
					name := client.ObjectKeyFromObject(&referrers.Items[item])
					requests = append(requests, reconcile.Request{NamespacedName: name})
				}
				return requests
			},
		), changed)
	}
	return building.Complete(&reconciler[S]{reads})
}

type reconciler[S Spec[S]] struct{ client client.Client }

// Reconcile writes the conditions of one object if they differ.
func (r *reconciler[S]) Reconcile(
	ctx context.Context, request reconcile.Request,
) (reconcile.Result, error) {
	var object Object[S]
	if err := r.client.Get(ctx, request.NamespacedName, &object); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := object.DeepCopyObject().(*Object[S])
	if object.DeletionTimestamp != nil {
		object.Finalizers = slices.DeleteFunc(
			object.Finalizers, func(it string) bool { return it == finalizer },
		)
		if len(object.Finalizers) == len(before.Finalizers) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, client.IgnoreNotFound(
			r.client.Patch(ctx, &object, client.MergeFrom(before)),
		)
	}
	missing, err := r.missing(ctx, &object)
	if err != nil {
		return reconcile.Result{}, err
	}
	object.judge(missing)
	if equal(before.Status, object.Status) {
		return reconcile.Result{}, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return reconcile.Result{}, client.IgnoreNotFound(r.client.Status().Patch(ctx, &object, patch))
}

// missing returns a message for each reference to an object that doesn't exist.
func (r *reconciler[S]) missing(ctx context.Context, object *Object[S]) ([]string, error) {
	var found []string
	for _, it := range object.Spec.references() {
		referent := emptyOf(it.kind)
		err := r.client.Get(ctx, target(object, it), referent)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err != nil || referent.GetDeletionTimestamp() != nil {
			found = append(found, fmt.Sprintf("%s: there is no %s %q", it.field, it.kind, it.to.Name))
		}
	}
	return found, nil
}

func (o *Object[S]) judge(missing []string) {
	status, message := metav1.ConditionTrue, strings.Join(missing, "; ")
	if len(missing) > 0 {
		status = metav1.ConditionFalse
	}
	for _, it := range []string{"ResolvedRefs", "Ready"} {
		reason := it
		if len(missing) > 0 {
			reason = "RefNotFound"
		}
		meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{
			Type: it, Status: status, Reason: reason, Message: message,
			ObservedGeneration: o.Generation,
		})
	}
	o.Status.ObservedGeneration, o.Status.Ready = o.Generation, string(status)
}

func equal(one, other Status) bool {
	return one.ObservedGeneration == other.ObservedGeneration && one.Ready == other.Ready &&
		slices.Equal(one.Conditions, other.Conditions)
}

func target(referrer client.Object, to reference) types.NamespacedName {
	if to.to.Namespace != "" {
		return types.NamespacedName{Namespace: to.to.Namespace, Name: to.to.Name}
	}
	return types.NamespacedName{Namespace: referrer.GetNamespace(), Name: to.to.Name}
}

func keyOf(kind string, name types.NamespacedName) string { return kind + "/" + name.String() }
