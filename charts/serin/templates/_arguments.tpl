{{/* The flags of both containers: one `- --flag=value` a line. */}}

{{/* More flags: an empty value stands for the flag alone, as true does. */}}
{{- define "serin.extraArguments" -}}
{{- range $flag, $value := . }}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") }}
- {{ printf "--%s" $flag | quote }}
{{- else }}
- {{ printf "--%s=%s" $flag (include "serin.text" $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Service whose address Ingresses show; empty: addresses of nodes, or what extraArgs says. */}}
{{- define "serin.publishService" -}}
{{- $c := .Values.controller -}}
{{- if and $c.publishService.enabled (not (hasKey (default dict $c.extraArgs) "publish-status-address")) -}}
{{- if $c.publishService.pathOverride -}}
{{ $c.publishService.pathOverride }}
{{- else if and $c.service.enabled $c.service.external.enabled -}}
$(POD_NAMESPACE)/{{ include "serin.controller" . }}
{{- else if and $c.service.enabled $c.service.internal.enabled -}}
$(POD_NAMESPACE)/{{ include "serin.controller" . }}-internal
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of the ConfigMap with ports of a protocol. */}}
{{- define "serin.streams" -}}
{{ include "serin.controller" .root }}-{{ .protocol }}
{{- end -}}

{{/* Header lines for all hosts: a YAML map of the ConfigMap's key to the name of the one that has them. */}}
{{- define "serin.headerMaps" -}}
{{- with .Values.controller.proxySetHeaders }}
proxy-set-headers: {{ include "serin.fullname" $ }}-custom-proxy-headers
{{- end }}
{{- with .Values.controller.addHeaders }}
add-headers: {{ include "serin.fullname" $ }}-custom-add-headers
{{- end }}
{{- end -}}

{{- define "serin.controllerArguments" -}}
{{- $c := .Values.controller -}}
- --plane=none
- --other-plane={{ .Values.dataPlane.plane }}
- --run-dir=/run/serin
- --ingress-class={{ include "serin.ingressClass" . }}
- --controller-class={{ $c.ingressClassResource.controllerValue }}
- --configmap=$(POD_NAMESPACE)/{{ include "serin.controller" . }}
{{- range $protocol := list "tcp" "udp" }}
{{- if get $.Values $protocol }}
- --{{ $protocol }}-services-configmap=$(POD_NAMESPACE)/{{ include "serin.streams" (dict "root" $ "protocol" $protocol) }}
{{- end }}
{{- end }}
- --election-id={{ include "serin.lease" . }}
{{- with $c.electionTTL }}
- --election-ttl={{ . }}
{{- end }}
{{- if $c.disableLeaderElection }}
- --disable-leader-election
{{- end }}
{{- with include "serin.publishService" . }}
- --publish-service={{ . }}
{{- end }}
{{- if $c.reportNodeInternalIp }}
- --report-node-internal-ip-address
{{- end }}
{{- if $c.ingressClassByName }}
- --ingress-class-by-name
{{- end }}
{{- if $c.watchIngressWithoutClass }}
- --watch-ingress-without-class
{{- end }}
{{- if $c.scope.enabled }}
- --watch-namespace={{ default "$(POD_NAMESPACE)" $c.scope.namespace }}
{{- end }}
{{- with $c.scope.namespaceSelector }}
- {{ printf "--watch-namespace-selector=%s" . | quote }}
{{- end }}
{{- if $c.admissionWebhooks.enabled }}
- --validating-webhook=:{{ $c.admissionWebhooks.port }}
- --validating-webhook-certificate=/etc/serin/webhook/tls.crt
- --validating-webhook-key=/etc/serin/webhook/tls.key
{{- end }}
{{- if $c.rollouts.facts.enabled }}
- --facts-address=:{{ $c.rollouts.facts.port }}
- --facts-secret=/etc/serin/facts
- --facts-service=$(POD_NAMESPACE)/{{ include "serin.facts" . }}
{{- end }}
{{- with $c.rollouts.checkHosts }}
- {{ printf "--canary-check-hosts=%s" (join "," .) | quote }}
{{- end }}
{{- if $c.rollouts.notifications.existingSecret }}
- --canary-notifications=/etc/serin/notifications/sinks.yaml
{{- end }}
{{- if $c.rollouts.approvalRBAC }}
- --canary-approval-rbac
{{- end }}
{{- include "serin.extraArguments" $c.extraArgs }}
{{- end -}}

{{- define "serin.dataPlaneArguments" -}}
{{- $c := .Values.controller -}}
{{- $d := .Values.dataPlane -}}
- --run-dir=/run/serin
- --plane={{ $d.plane }}
{{- if eq $d.plane "nginx" }}
- --nginx-lua={{ $d.nginxLua }}
{{- end }}
- --http-port={{ $c.containerPort.http }}
- --https-port={{ $c.containerPort.https }}
- --healthz-port={{ $c.metrics.port }}
{{- if $d.workers }}
- --workers={{ $d.workers }}
{{- else if gt (include "serin.cpuLimit" . | atoi) 60 }}
- --workers=60
{{- else if include "serin.cpuLimit" . }}
- --workers=$(CPU_LIMIT)
{{- end }}
- --access-log={{ $d.accessLog }}
{{- /* Not by a preStop hook, of which the data plane knows nothing: load balancers are to see that it ends. */}}
{{- if and $c.preStopSeconds (not (include "serin.ownLifecycle" .)) }}
- --shutdown-delay={{ int $c.preStopSeconds }}
{{- end }}
- --shutdown-grace={{ include "serin.shutdownGrace" . }}
{{- include "serin.extraArguments" $d.extraArgs }}
{{- end -}}

{{/* In whole processors, empty where there is none; the exact one is told by Kubernetes, in CPU_LIMIT. */}}
{{- define "serin.cpuLimit" -}}
{{- with dig "limits" "cpu" "" (default dict .Values.dataPlane.resources) | toString -}}
{{- if hasSuffix "m" . -}}{{ div (trimSuffix "m" . | int) 1000 }}{{- else -}}{{ int . }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether the user's lifecycle of the data plane counts; ingress-nginx's own does what preStopSeconds does here. */}}
{{- define "serin.ownLifecycle" -}}
{{- with .Values.controller.lifecycle }}{{ if not (contains "/wait-shutdown" (toJson .)) }}true{{ end }}{{ end -}}
{{- end -}}

{{/* Seconds from the end of the delay until what is left is cut; the kernel must not be the one to do it. */}}
{{- define "serin.shutdownGrace" -}}
{{- $c := .Values.controller -}}
{{- $set := .Values.dataPlane.shutdownGraceSeconds -}}
{{- if or (kindIs "string" $set) (kindIs "invalid" $set) -}}
{{ max 0 (sub (int $c.terminationGracePeriodSeconds) (add (int $c.preStopSeconds) 10)) }}
{{- else -}}
{{ int $set }}
{{- end -}}
{{- end -}}
