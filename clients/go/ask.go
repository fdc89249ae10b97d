package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// ask asks the same question once a second, with one client for its whole life.
func ask(ctx context.Context, clients kubernetes.Interface, namespace, seconds string) error {
	long, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return err
	}
	statuses := map[int32]int{}
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(time.Second) {
		status := int32(200)
		if _, err := clients.CoreV1().ConfigMaps(namespace).List(ctx, meta.ListOptions{}); err != nil {
			// Anything but an answer of the server ends the program.
			var answer apierrors.APIStatus
			if !errors.As(err, &answer) {
				return err
			}
			status = answer.Status().Code
		}
		statuses[status]++
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"statuses": statuses})
}
