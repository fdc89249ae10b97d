// Command client is a small program on client-go: see ../README.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is the longest that an event may take to come.
const patience = 60 * time.Second

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, arguments []string) error {
	// Without a kubeconfig this falls back to the configuration of a pod.
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	switch program {
	case "journey":
		return journey(ctx, clients, arguments[0])
	case "ask":
		return ask(ctx, clients, arguments[0], arguments[1])
	default:
		return fmt.Errorf("%s is no program: ask or journey", program)
	}
}

// watcher is an informer, and what it told so far.
type watcher struct {
	events chan string
	seen   []string
}

func watch(ctx context.Context, clients kubernetes.Interface, namespace string) (*watcher, error) {
	w := &watcher{events: make(chan string, 100)}
	tell := func(kind string, object any) {
		if object, ok := object.(*core.ConfigMap); ok {
			w.events <- kind + " " + object.Name
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { tell("ADDED", object) },
		UpdateFunc: func(_, object any) { tell("MODIFIED", object) },
		DeleteFunc: func(object any) { tell("DELETED", object) },
	})
	if err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	return w, nil
}

func (w *watcher) until(wanted string) error {
	deadline := time.After(patience)
	for {
		select {
		case event := <-w.events:
			w.seen = append(w.seen, event)
			if event == wanted {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("%q did not come; seen: %q", wanted, w.seen)
		}
	}
}

// tokenOfDefault asks for a token and has it reviewed: who it is, by the review.
func tokenOfDefault(ctx context.Context, clients kubernetes.Interface, namespace string) (string, error) {
	seconds := int64(600)
	asked := &authentication.TokenRequest{Spec: authentication.TokenRequestSpec{ExpirationSeconds: &seconds}}
	accounts := clients.CoreV1().ServiceAccounts(namespace)
	token, err := accounts.CreateToken(ctx, "default", asked, meta.CreateOptions{})
	if err != nil {
		return "", err
	}
	review := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token.Status.Token}}
	review, err = clients.AuthenticationV1().TokenReviews().Create(ctx, review, meta.CreateOptions{})
	if err != nil {
		return "", err
	}
	return review.Status.User.Username, nil
}

func journey(ctx context.Context, clients kubernetes.Interface, namespace string) error {
	maps := clients.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	listed := []string{}
	for _, item := range list.Items {
		listed = append(listed, item.Name)
	}
	watcher, err := watch(ctx, clients, namespace)
	if err != nil {
		return err
	}
	object := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "journey"}, Data: map[string]string{"step": "one"}}
	created, err := maps.Create(ctx, object, meta.CreateOptions{})
	if err != nil {
		return err
	}
	if err := watcher.until("ADDED journey"); err != nil {
		return err
	}
	change := []byte(`{"data":{"step":"two"}}`)
	patched, err := maps.Patch(ctx, "journey", types.StrategicMergePatchType, change, meta.PatchOptions{})
	if err != nil {
		return err
	}
	if err := watcher.until("MODIFIED journey"); err != nil {
		return err
	}
	account, err := tokenOfDefault(ctx, clients, namespace)
	if err != nil {
		return err
	}
	fmt.Println(`{"step":"watching"}`)
	if err := watcher.until("ADDED after-restart"); err != nil {
		return err
	}
	// The typed client returns no body of a deletion; the precondition holds the uid against the server's.
	uid := created.UID
	options := meta.DeleteOptions{Preconditions: &meta.Preconditions{UID: &uid}}
	if err := maps.Delete(ctx, "journey", options); err != nil {
		return err
	}
	if err := watcher.until("DELETED journey"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"listed": listed, "created": uid, "patched": patched.Data["step"], "account": account, "deleted": uid,
		"events": watcher.seen,
	})
}
