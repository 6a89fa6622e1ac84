package main

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var groupVersion = schema.GroupVersion{Group: "agent.wecode.io", Version: "v1"}

// Spec is the spec of one kind.
type Spec[S any] interface {
	references() []reference
	copied() S
}

// Object is an object of one kind.
type Object[S Spec[S]] struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              S      `json:"spec"`
	Status            Status `json:"status,omitempty"`
}

// List is a list of objects of one kind.
type List[S Spec[S]] struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Object[S] `json:"items"`
}

// Status has the fields that Wegent's operator writes.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Ready              string             `json:"ready,omitempty"`
}

// Ref names an object.
type Ref struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// reference is a field that names an object of a kind.
type reference struct {
	field string
	kind  string
	to    Ref
}

// GhostSpec is the spec of a Ghost.
type GhostSpec struct {
	SystemPrompt string `json:"systemPrompt,omitempty"`
	SkillRefs    []Ref  `json:"skillRefs,omitempty"`
}

// ModelSpec is the spec of a Model.
type ModelSpec struct {
	Provider     string `json:"provider,omitempty"`
	Model        string `json:"model,omitempty"`
	FallbackRefs []Ref  `json:"fallbackRefs,omitempty"`
}

// ShellSpec is the spec of a Shell.
type ShellSpec struct {
	Type string `json:"type,omitempty"`
}

// SkillSpec is the spec of a Skill.
type SkillSpec struct {
	Description string `json:"description,omitempty"`
}

// BotSpec is the spec of a Bot.
type BotSpec struct {
	GhostRef *Ref `json:"ghostRef,omitempty"`
	ModelRef *Ref `json:"modelRef,omitempty"`
	ShellRef *Ref `json:"shellRef,omitempty"`
}

// TeamSpec is the spec of a Team.
type TeamSpec struct {
	Bots []Ref `json:"bots,omitempty"`
}

func (s GhostSpec) references() []reference { return each("spec.skillRefs", "Skill", s.SkillRefs) }
func (s ModelSpec) references() []reference {
	return each("spec.fallbackRefs", "Model", s.FallbackRefs)
}
func (s ShellSpec) references() []reference { return nil }
func (s SkillSpec) references() []reference { return nil }
func (s TeamSpec) references() []reference  { return each("spec.bots", "Bot", s.Bots) }
func (s BotSpec) references() []reference {
	var found []reference
	for _, it := range []struct {
		field, kind string
		to          *Ref
	}{
		{"spec.ghostRef", "Ghost", s.GhostRef},
		{"spec.modelRef", "Model", s.ModelRef},
		{"spec.shellRef", "Shell", s.ShellRef},
	} {
		if it.to != nil {
			found = append(found, reference{it.field, it.kind, *it.to})
		}
	}
	return found
}

func each(field, kind string, refs []Ref) []reference {
	var found []reference
	for _, to := range refs {
		found = append(found, reference{field, kind, to})
	}
	return found
}

func (s GhostSpec) copied() GhostSpec { s.SkillRefs = slices.Clone(s.SkillRefs); return s }
func (s ModelSpec) copied() ModelSpec { s.FallbackRefs = slices.Clone(s.FallbackRefs); return s }
func (s ShellSpec) copied() ShellSpec { return s }
func (s SkillSpec) copied() SkillSpec { return s }
func (s TeamSpec) copied() TeamSpec   { s.Bots = slices.Clone(s.Bots); return s }
func (s BotSpec) copied() BotSpec {
	for _, to := range []**Ref{&s.GhostRef, &s.ModelRef, &s.ShellRef} {
		if *to != nil {
			ref := **to
			*to = &ref
		}
	}
	return s
}

// DeepCopyObject returns a copy that shares nothing with the object.
func (o *Object[S]) DeepCopyObject() runtime.Object {
	out := new(Object[S])
	o.deepCopyInto(out)
	return out
}

func (o *Object[S]) deepCopyInto(out *Object[S]) {
	out.TypeMeta = o.TypeMeta
	o.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec = o.Spec.copied()
	out.Status = o.Status
	out.Status.Conditions = slices.Clone(o.Status.Conditions)
}

// DeepCopyObject returns a copy that shares nothing with the list.
func (l *List[S]) DeepCopyObject() runtime.Object {
	out := &List[S]{TypeMeta: l.TypeMeta}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Object[S], len(l.Items))
	for index := range l.Items {
		l.Items[index].deepCopyInto(&out.Items[index])
	}
	return out
}

// newScheme returns the kinds.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	add[GhostSpec](scheme, "Ghost")
	add[ModelSpec](scheme, "Model")
	add[ShellSpec](scheme, "Shell")
	add[SkillSpec](scheme, "Skill")
	add[BotSpec](scheme, "Bot")
	add[TeamSpec](scheme, "Team")
	metav1.AddToGroupVersion(scheme, groupVersion)
	return scheme
}

func add[S Spec[S]](scheme *runtime.Scheme, kind string) {
	scheme.AddKnownTypeWithName(groupVersion.WithKind(kind), &Object[S]{})
	scheme.AddKnownTypeWithName(groupVersion.WithKind(kind+"List"), &List[S]{})
}

// emptyOf returns an object of a kind to read into.
func emptyOf(kind string) client.Object {
	switch kind {
	case "Ghost":
		return &Object[GhostSpec]{}
	case "Model":
		return &Object[ModelSpec]{}
	case "Shell":
		return &Object[ShellSpec]{}
	case "Skill":
		return &Object[SkillSpec]{}
	default:
		return &Object[BotSpec]{}
	}
}
