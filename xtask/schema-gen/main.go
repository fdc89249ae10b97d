// Command schema-gen writes the table of Kubernetes API shapes that jeton-schema reads, and test vectors for it.
//
// Run from this directory:  go run . table > ../../crates/schema/src/kubernetes.tsv
//
//	go run . vectors > ../../fixtures/schema/vectors.jsonl
//
// The table holds facts only: names, protobuf numbers, types and patch strategies, read by reflection from the
// published Go modules whose versions go.mod names.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var out = bufio.NewWriter(os.Stdout)

var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":          "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":     "microtime",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":      "duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":      "raw",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":      "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString":    "intorstring",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":       "raw",
	"k8s.io/api/authentication/v1.ExtraValue":            "stringlist",
	"k8s.io/api/authorization/v1.ExtraValue":             "stringlist",
}

var pending []reflect.Type
var done = map[reflect.Type]bool{}

func id(t reflect.Type) string {
	return strings.TrimPrefix(t.PkgPath(), "k8s.io/") + "." + t.Name()
}

func spec(t reflect.Type) string {
	if s, ok := special[t.PkgPath()+"."+t.Name()]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + spec(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + spec(t.Elem())
	case reflect.Map:
		return "{}" + spec(t.Elem())
	case reflect.Struct:
		pending = append(pending, t)
		return "@" + id(t)
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int16, reflect.Int8:
		return "int32"
	case reflect.Int64, reflect.Int:
		return "int64"
	case reflect.Uint32, reflect.Uint64, reflect.Uint16:
		return "uint64"
	case reflect.Float64, reflect.Float32:
		return "float64"
	}
	panic("unknown type " + t.String())
}

func dump(t reflect.Type) {
	fmt.Fprintf(out, "type\t%s\n", id(t))
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		parts := strings.Split(f.Tag.Get("json"), ",")
		number := "0"
		if p := strings.Split(f.Tag.Get("protobuf"), ","); len(p) > 1 {
			number = p[1]
		}
		if !f.IsExported() || parts[0] == "-" {
			continue
		}
		inline := parts[0] == "" && f.Anonymous
		if inline && number == "0" {
			for j := 0; j < f.Type.NumField(); j++ {
				g := f.Type.Field(j)
				name := strings.Split(g.Tag.Get("json"), ",")[0]
				fmt.Fprintf(out, "field\t%s\t0\t%s\t\t\n", name, spec(g.Type))
			}
			continue
		}
		name := parts[0]
		if inline {
			name = ""
		}
		fmt.Fprintf(out, "field\t%s\t%s\t%s\t%s\t%s\n", name, number, spec(f.Type), f.Tag.Get("patchStrategy"), f.Tag.Get("patchMergeKey"))
	}
}

func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, rbacv1.AddToScheme,
		coordinationv1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, eventsv1.AddToScheme,
		discoveryv1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, storagev1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}

func table() {
	var gvks []schema.GroupVersionKind
	known := newScheme().AllKnownTypes()
	for gvk := range known {
		if gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "List") {
			continue
		}
		fromMeta := strings.HasSuffix(known[gvk].PkgPath(), "meta/v1")
		if fromMeta || strings.HasSuffix(gvk.Kind, "Options") {
			continue
		}
		gvks = append(gvks, gvk)
	}
	sort.Slice(gvks, func(i, j int) bool { return gvks[i].String() < gvks[j].String() })
	fmt.Fprintln(out, "# Made by xtask/schema-gen from k8s.io/api and k8s.io/apimachinery, versions in its go.mod. Do not edit.")
	emit := func(version, kind string, t reflect.Type) {
		fmt.Fprintf(out, "kind\t%s\t%s\t%s\n", version, kind, id(t))
		pending = append(pending, t)
	}
	for _, gvk := range gvks {
		emit(gvk.GroupVersion().String(), gvk.Kind, known[gvk])
	}
	emit("meta.k8s.io/v1", "DeleteOptions", reflect.TypeOf(metav1.DeleteOptions{}))
	emit("meta.k8s.io/v1", "PartialObjectMetadata", reflect.TypeOf(metav1.PartialObjectMetadata{}))
	emit("v1", "Status", reflect.TypeOf(metav1.Status{}))
	for len(pending) > 0 {
		t := pending[0]
		pending = pending[1:]
		if !done[t] {
			done[t] = true
			dump(t)
		}
	}
}

type marshaler interface {
	Marshal() ([]byte, error)
}

func vectors() {
	for _, s := range samples() {
		raw, err := s.object.(marshaler).Marshal()
		if err != nil {
			panic(err)
		}
		object := s.object.DeepCopyObject()
		object.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(s.apiVersion, s.kind))
		text, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: s.apiVersion, Kind: s.kind}, Raw: raw}
		wrapped, err := unknown.Marshal()
		if err != nil {
			panic(err)
		}
		line, err := json.Marshal(map[string]any{
			"apiVersion": s.apiVersion, "kind": s.kind,
			"protobuf": base64.StdEncoding.EncodeToString(append([]byte("k8s\x00"), wrapped...)),
			"json":     json.RawMessage(text),
		})
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(out, string(line))
	}
}

func main() {
	defer out.Flush()
	if len(os.Args) == 2 && os.Args[1] == "vectors" {
		vectors()
		return
	}
	table()
}
