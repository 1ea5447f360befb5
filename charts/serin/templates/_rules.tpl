{{/* Rules of the roles. Above each stands why it is needed; tests/kube holds them against what a running controller asks
     for, so that none is missing and none is too many. Nothing here may write to an object that users made, but for the
     status of an Ingress or CanaryRoute. */}}

{{/* Whether one namespace is all there is to see. */}}
{{- define "serin.oneNamespace" -}}
{{- $scope := .Values.controller.scope -}}
{{- if $scope.enabled -}}
{{ default (include "serin.namespace" .) $scope.namespace }}
{{- end -}}
{{- end -}}

{{/* Whether Ingresses show addresses of nodes. */}}
{{- define "serin.showsNodes" -}}
{{- if not (or (include "serin.publishService" .) (hasKey (default dict .Values.controller.extraArgs) "publish-status-address")) }}true{{ end -}}
{{- end -}}

{{/* What is looked at: in all namespaces, or in the one. */}}
{{- define "serin.rules.watched" -}}
# why: hosts, paths and annotations are what traffic is routed by (list, watch); one whose address goes is looked at (get)
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
# why: the address that traffic comes by is shown on each Ingress, by the leader alone
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
# why: versions, rules and weights of a canary (list, watch); one whose status somebody else wrote is looked at (get)
- apiGroups: [serin.dev]
  resources: [canaryroutes]
  verbs: [get, list, watch]
# why: where a rollout stands is in its status alone, written by the leader
- apiGroups: [serin.dev]
  resources: [canaryroutes/status]
  verbs: [patch]
{{- if .Values.controller.rollouts.approvalRBAC }}
# why: whether somebody may write an action on a CanaryRoute; nothing is stored
- apiGroups: [authorization.k8s.io]
  resources: [localsubjectaccessreviews]
  verbs: [create]
{{- end }}
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
# why: options for all hosts are read by name (get); that they changed is told by names and versions alone (list, watch)
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
# why: what is wrong with an object is told where `kubectl describe` shows it; patch counts repetitions, and list finds
# what the leader before has told
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch, list]
{{- end -}}

{{/* What cannot be had by namespace. */}}
{{- define "serin.rules.clusterWide" -}}
# why: the class of an Ingress says whether it is ours
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list, watch]
{{- if .Values.controller.scope.namespaceSelector }}
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
# why: its own pod's labels (get) find its replicas (list, watch): the last one that goes takes its address out of
# Ingresses, and without a Service theirs are the nodes that Ingresses show
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- end -}}

{{/* A rule as text: (list "why" "resource" "name, or empty" "verbs" "API group, unless it is the core's"). */}}
{{- define "serin.rule" -}}
# why: {{ index . 0 }}
- apiGroups: [{{ if gt (len .) 4 }}{{ index . 4 }}{{ else }}""{{ end }}]
  resources: [{{ index . 1 }}]
  {{- with index . 2 }}
  resourceNames: [{{ . | quote }}]
  {{- end }}
  verbs: [{{ index . 3 }}]
{{- end -}}

{{/* What lies elsewhere: a YAML map of namespace to rules. Where all namespaces are looked at it is the Service alone;
     where it is one, all that lies outside of it. */}}
{{- define "serin.rules.elsewhere" -}}
{{- $own := include "serin.namespace" . -}}
{{- $one := include "serin.oneNamespace" . -}}
{{- $found := list -}}
{{- with include "serin.publishService" . | replace "$(POD_NAMESPACE)" $own -}}
{{- $at := splitn "/" 2 . -}}
{{- $found = append $found (list $at._0 (list "the Service whose address Ingresses show" "services" $at._1 "get, list, watch")) -}}
{{- end -}}
{{- if $one -}}
{{- if ne $own $one -}}
{{- if .Values.controller.rollouts.facts.enabled -}}
{{- $found = append $found (list $own (list "the replicas that the leader asks for their counts of rollouts" "endpointslices" "" "list" "discovery.k8s.io")) -}}
{{- end -}}
{{- $found = append $found (list $own (list "options for all hosts" "configmaps" (include "serin.controller" .) "get, list, watch")) -}}
{{- range $protocol := list "tcp" "udp" -}}
{{- if get $.Values $protocol -}}
{{- $found = append $found (list $own (list (printf "ports of %s that are passed on" (upper $protocol)) "configmaps" (include "serin.streams" (dict "root" $ "protocol" $protocol)) "get, list, watch")) -}}
{{- end -}}
{{- end -}}
{{- range $key, $name := include "serin.headerMaps" . | fromYaml -}}
{{- $found = append $found (list $own (list (printf "header lines for all hosts (%s)" $key) "configmaps" $name "get, list, watch")) -}}
{{- end -}}
{{- $found = append $found (list $own (list "what is wrong with the options is told where `kubectl describe` shows it; patch counts repetitions, and list finds what the leader before has told" "events" "" "create, patch, list")) -}}
{{- end -}}
{{- $named := pick .Values.controller.config "add-headers" "proxy-set-headers" -}}
{{- $named = merge $named (pick (default dict .Values.controller.extraArgs) "tcp-services-configmap" "udp-services-configmap") -}}
{{- range $key, $value := $named -}}
{{- $at := splitn "/" 2 (toString $value | replace "$(POD_NAMESPACE)" $own) -}}
{{- if and $at._0 $at._1 (ne $at._0 $one) -}}
{{- $found = append $found (list $at._0 (list (printf "what %s names" $key) "configmaps" $at._1 "get, list, watch")) -}}
{{- end -}}
{{- end -}}
{{- with get (default dict .Values.controller.extraArgs) "default-ssl-certificate" -}}
{{- $at := splitn "/" 2 . -}}
{{- if ne $at._0 $one -}}
{{- $found = append $found (list $at._0 (list "the certificate for hosts without one" "secrets" $at._1 "get, list, watch")) -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.rbac.scope (has "default" (list $own $one))) -}}
{{- $found = append $found (list "default" (list "Events of an IngressClass, which has no namespace, lie in this one" "events" "" "create, patch")) -}}
{{- end -}}
{{- end -}}
{{- $rules := dict -}}
{{- range $found -}}
{{- $namespace := index . 0 -}}
{{- $_ := set $rules $namespace (append (default list (get $rules $namespace)) (include "serin.rule" (index . 1))) -}}
{{- end -}}
{{ toYaml $rules }}
{{- end -}}
