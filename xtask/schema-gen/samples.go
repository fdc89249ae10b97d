package main

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type sample struct {
	apiVersion, kind string
	object           runtime.Object
}

func ptr[T any](v T) *T { return &v }

func samples() []sample {
	at := metav1.NewTime(time.Unix(1784973600, 0).UTC())
	meta := metav1.ObjectMeta{
		Name: "x", Namespace: "ci", UID: "11111111-2222-3333-4444-555555555555", CreationTimestamp: at,
		Labels: map[string]string{"a": "b", "empty": ""}, Annotations: map[string]string{"c/d": "e"},
		Finalizers: []string{"f/g"}, DeletionGracePeriodSeconds: ptr(int64(0)), DeletionTimestamp: &at,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "p", UID: "u", Controller: ptr(false)}},
	}
	pod := corev1.PodSpec{
		ServiceAccountName: "builder", NodeName: "n1", TerminationGracePeriodSeconds: ptr(int64(0)),
		AutomountServiceAccountToken: ptr(false), NodeSelector: map[string]string{"k": "v"},
		Containers: []corev1.Container{{
			Name: "c", Image: "i", Args: []string{"", "a"}, Env: []corev1.EnvVar{{Name: "E", Value: ""}},
			Ports:         []corev1.ContainerPort{{ContainerPort: 80, Protocol: "TCP"}},
			Resources:     corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("100m")}},
			LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("web")}}, PeriodSeconds: 3},
		}},
		Volumes: []corev1.Volume{
			{Name: "e", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "t", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: ptr(int32(420)), Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr(int64(3607))}},
			}}}},
		},
	}
	return []sample{
		{"v1", "Pod", &corev1.Pod{ObjectMeta: meta, Spec: pod}},
		{"v1", "Secret", &corev1.Secret{ObjectMeta: meta, Type: "Opaque", Data: map[string][]byte{"a": {0, 255}, "b": {}}, Immutable: ptr(true)}},
		{"v1", "ConfigMap", &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a": "b"}, BinaryData: map[string][]byte{"z": {1}}}},
		{"v1", "ServiceAccount", &corev1.ServiceAccount{ObjectMeta: meta, Secrets: []corev1.ObjectReference{{Name: "s"}}, AutomountServiceAccountToken: ptr(false)}},
		{"v1", "Namespace", &corev1.Namespace{ObjectMeta: meta, Spec: corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{"kubernetes"}}}},
		{"v1", "Node", &corev1.Node{ObjectMeta: meta, Status: corev1.NodeStatus{Capacity: corev1.ResourceList{"memory": resource.MustParse("1Gi")}}}},
		{"v1", "Service", &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}}},
		{"apps/v1", "Deployment", &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: ptr(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, Template: corev1.PodTemplateSpec{Spec: pod}}}},
		{"batch/v1", "Job", &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{BackoffLimit: ptr(int32(0)), Template: corev1.PodTemplateSpec{Spec: pod}}}},
		{"coordination.k8s.io/v1", "Lease", &coordinationv1.Lease{ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr("h"), RenewTime: ptr(metav1.NewMicroTime(time.Unix(1784973600, 123456000).UTC()))}}},
		{"rbac.authorization.k8s.io/v1", "Role", &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}},
		{"rbac.authorization.k8s.io/v1", "RoleBinding", &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: []rbacv1.Subject{{Kind: "User", Name: "u"}}, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "r"}}},
		{"authentication.k8s.io/v1", "TokenRequest", &authenticationv1.TokenRequest{ObjectMeta: metav1.ObjectMeta{Name: "builder"}, Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}, ExpirationSeconds: ptr(int64(600)), BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: "web"}}}},
		{"authentication.k8s.io/v1", "TokenRequest", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr(int64(0))}}},
		{"authentication.k8s.io/v1", "TokenReview", &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "t", Audiences: []string{"a"}}, Status: authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "u", Extra: map[string]authenticationv1.ExtraValue{"k": {"v", "w"}}}}}},
		{"authentication.k8s.io/v1", "SelfSubjectReview", &authenticationv1.SelfSubjectReview{}},
		{"authorization.k8s.io/v1", "SubjectAccessReview", &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "u", Groups: []string{"g"}, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}}}},
		{"meta.k8s.io/v1", "DeleteOptions", &metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0)), PropagationPolicy: ptr(metav1.DeletePropagationBackground), Preconditions: &metav1.Preconditions{}}},
	}
}
