{{/* Rules of the roles. Above each stands why it is needed; tests/kube holds them against what a running controller asks
     for, so that none is missing and none is too many. Nothing here may write to an object that users made, but for the
     status of an Ingress or CanaryRoute. */}}

{{/* Whether one namespace is all there is to see. */}}
{{- define "serin.oneNamespace" -}}
{{- $scope := .Values.controller.scope -}}
{{- if and $scope.enabled (not $scope.namespaceSelector) -}}
{{ default (include "serin.namespace" .) $scope.namespace }}
{{- end -}}
{{- end -}}

{{/* Whether Ingresses show addresses of nodes. */}}
{{- define "serin.showsNodes" -}}
{{- if not (or (include "serin.publishService" .) (hasKey .Values.controller.extraArgs "publish-status-address")) }}true{{ end -}}
{{- end -}}

{{/* What is looked at: in all namespaces, or in the one. */}}
{{- define "serin.rules.watched" -}}
# why: hosts, paths and annotations are what traffic is routed by
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
# why: the address that traffic comes by is shown on each Ingress, by the leader alone
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
# why: versions, rules and weights of a canary
- apiGroups: [serin.dev]
  resources: [canaryroutes]
  verbs: [list, watch]
# why: ports and kinds of the Services that Ingresses name
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
# why: requests are sent to endpoints directly
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# why: Services whose endpoints were made by hand have no EndpointSlice of Kubernetes' own
- apiGroups: [""]
  resources: [endpoints]
  verbs: [list, watch]
# why: certificates (by their type, list and watch), and by name (get) what an Ingress refers to: passwords, authorities
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# why: ConfigMaps that an Ingress refers to are read by name (get); changes are told by their metadata (list, watch)
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
# why: what is wrong with an object is told where `kubectl describe` shows it; patch counts repetitions
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What cannot be had by namespace. */}}
{{- define "serin.rules.clusterWide" -}}
# why: the class of an Ingress says whether it is ours
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list, watch]
{{- if and .Values.controller.scope.enabled .Values.controller.scope.namespaceSelector }}
# why: labels of namespaces say which of them are looked at
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}
{{- if include "serin.showsNodes" . }}
# why: Ingresses show the addresses of the nodes that our pods run on
- apiGroups: [""]
  resources: [nodes]
  verbs: [get]
{{- end }}
{{- end -}}

{{/* What is done in the namespace of the release. */}}
{{- define "serin.rules.own" -}}
{{- if not .Values.controller.disableLeaderElection -}}
# why: the Lease by which one replica is chosen to write (create cannot be limited to a name)
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
# why: the same Lease is read, taken over, renewed and given back
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "serin.lease" . | quote }}]
  verbs: [get, update]
{{ end -}}
# why: its own pod's labels (get) find its replicas (list): the last one that goes takes its address out of Ingresses
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
{{- end -}}

{{/* What is named in flags, by namespace: a YAML map of namespace to rules. Where all namespaces are looked at, only the
     Service; where it is one, also what lies outside of it. */}}
{{- define "serin.rules.named" -}}
{{- $own := include "serin.namespace" . -}}
{{- $one := include "serin.oneNamespace" . -}}
{{- $rules := dict -}}
{{- with include "serin.publishService" . | replace "$(POD_NAMESPACE)" $own -}}
{{- $at := splitn "/" 2 . -}}
{{- $rule := printf "# why: the Service whose address Ingresses show\n- apiGroups: [\"\"]\n  resources: [services]\n  resourceNames: [%q]\n  verbs: [get]\n" $at._1 -}}
{{- $_ := set $rules $at._0 (printf "%s%s" (get $rules $at._0) $rule) -}}
{{- end -}}
{{- if $one -}}
{{- $named := list (list "configmaps" (printf "%s/%s" $own (include "serin.controller" .)) "options for all hosts") -}}
{{- with get .Values.controller.extraArgs "default-ssl-certificate" -}}
{{- $named = append $named (list "secrets" . "the certificate for hosts without one") -}}
{{- end -}}
{{- range $named -}}
{{- $at := splitn "/" 2 (index . 1) -}}
{{- if ne $at._0 $one -}}
{{- $rule := printf "# why: %s, which lies outside of the namespace that is looked at\n- apiGroups: [\"\"]\n  resources: [%s]\n  resourceNames: [%q]\n  verbs: [get, list, watch]\n" (index . 2) (index . 0) $at._1 -}}
{{- $_ := set $rules $at._0 (printf "%s%s" (get $rules $at._0) $rule) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $rules }}
{{- end -}}
