{{/* The pod of the Deployment and of the DaemonSet: two containers that share nothing but two folders in memory. */}}

{{- define "serin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 101
runAsGroup: 101
capabilities:
  drop: [ALL]
{{- with .add }}
  add: [{{ join ", " . }}]
{{- end }}
{{- end -}}

{{- define "serin.image" -}}
{{- $i := .Values.controller.image -}}
{{- with $i.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $i.image }}
{{- if or $i.tag (not $i.digest) }}:{{ default .Chart.AppVersion $i.tag }}{{ end -}}
{{- with $i.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The controller goes on while the data plane serves on (--shutdown-delay, which begins with SIGTERM). */}}
{{- define "serin.preStop" -}}
{{- with int .Values.controller.preStopSeconds }}
lifecycle:
  preStop:
    {{- if semverCompare ">=1.30-0" $.Capabilities.KubeVersion.Version }}
    sleep:
      seconds: {{ . }}
    {{- else }}
    exec:
      command: [sleep, "{{ . }}"]
    {{- end }}
{{- end }}
{{- end -}}

{{- define "serin.environment" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end -}}

{{- define "serin.pod" -}}
{{- $c := .Values.controller -}}
metadata:
  labels:
    {{- $labels := mergeOverwrite (deepCopy (default dict .Values.commonLabels)) (deepCopy (default dict $c.podLabels)) (include "serin.selector" . | fromYaml) }}
    {{- toYaml $labels | nindent 4 }}
  {{- $annotations := deepCopy (default dict $c.podAnnotations) }}
  {{- if $c.metrics.scrapeAnnotations }}
  {{- $annotations = merge $annotations (dict "prometheus.io/scrape" "true" "prometheus.io/path" "/metrics" "prometheus.io/port" (toString $c.metrics.port)) }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "serin.serviceAccount" . }}
  # The token is mounted in one container only, by the volume `token`.
  automountServiceAccountToken: false
  shareProcessNamespace: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $c.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with $c.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  dnsPolicy: {{ default (ternary "ClusterFirstWithHostNet" "ClusterFirst" $c.hostNetwork) $c.dnsPolicy }}
  {{- with $c.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $c.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $c.terminationGracePeriodSeconds }}
  securityContext:
    {{- $security := dict "runAsNonRoot" true "runAsUser" 101 "runAsGroup" 101 "fsGroup" 101 "seccompProfile" (dict "type" "RuntimeDefault") }}
    {{- $sysctls := list }}
    {{- $low := or (lt (int $c.containerPort.http) 1024) (lt (int $c.containerPort.https) 1024) }}
    {{- range $port, $_ := merge (dict) (default dict .Values.tcp) (default dict .Values.udp) }}{{ $low = or $low (lt (int $port) 1024) }}{{ end }}
    {{- $set := deepCopy (default dict $c.sysctls) }}
    {{- if and $low (not $c.hostNetwork) }}
    {{- /* In the pod's own network low ports are free for all, without any capability. */}}
    {{- $set = merge $set (dict "net.ipv4.ip_unprivileged_port_start" "0") }}
    {{- end }}
    {{- range $name, $value := $set }}
    {{- $sysctls = append $sysctls (dict "name" $name "value" (include "serin.text" $value)) }}
    {{- end }}
    {{- if $sysctls }}{{ $security = set $security "sysctls" $sysctls }}{{ end }}
    {{- toYaml (mergeOverwrite $security (deepCopy (default dict $c.podSecurityContext))) | nindent 4 }}
  {{- with $c.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $c.affinity }}
  affinity:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- with $c.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- with $c.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
  - name: controller
    {{- include "serin.controllerContainer" . | nindent 4 }}
  - name: data-plane
    {{- include "serin.dataPlaneContainer" . | nindent 4 }}
  {{- with $c.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  volumes:
    {{- include "serin.volumes" . | nindent 4 }}
{{- end -}}

{{- define "serin.controllerContainer" -}}
{{- $c := .Values.controller -}}
image: {{ include "serin.image" . | quote }}
imagePullPolicy: {{ $c.image.pullPolicy }}
command: [serin, supervise, --, serin, controller]
args:
  {{- include "serin.controllerArguments" . | nindent 2 }}
env:
  {{- include "serin.environment" . | nindent 2 }}
  {{- with $c.extraEnvs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or $c.admissionWebhooks.enabled $c.rollouts.facts.enabled }}
ports:
{{- if $c.admissionWebhooks.enabled }}
- name: webhook
  containerPort: {{ $c.admissionWebhooks.port }}
  protocol: TCP
{{- end }}
{{- if $c.rollouts.facts.enabled }}
- name: facts
  containerPort: {{ $c.rollouts.facts.port }}
  protocol: TCP
{{- end }}
{{- end }}
{{- /* No probe: the supervisor restarts what crashes or hangs, and a pod whose API server is away serves on. */}}
{{- include "serin.preStop" . }}
securityContext:
  {{- include "serin.containerSecurity" dict | nindent 2 }}
{{- with $c.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- name: plan
  mountPath: /run/serin/plan
- name: state
  mountPath: /run/serin/state
  readOnly: true
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if $c.admissionWebhooks.enabled }}
- name: webhook
  mountPath: /etc/serin/webhook
  readOnly: true
{{- end }}
{{- if $c.rollouts.facts.enabled }}
- name: facts
  mountPath: /etc/serin/facts
  readOnly: true
{{- end }}
{{- if $c.rollouts.notifications.existingSecret }}
- name: notifications
  mountPath: /etc/serin/notifications
  readOnly: true
{{- end }}
{{- with $c.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "serin.dataPlaneContainer" -}}
{{- $c := .Values.controller -}}
{{- $d := .Values.dataPlane -}}
image: {{ include "serin.image" . | quote }}
imagePullPolicy: {{ $c.image.pullPolicy }}
command: [serin, data-plane]
args:
  {{- include "serin.dataPlaneArguments" . | nindent 2 }}
env:
  {{- include "serin.environment" . | nindent 2 }}
  {{- if and (not $d.workers) (include "serin.cpuLimit" .) }}
  - name: CPU_LIMIT
    valueFrom:
      resourceFieldRef:
        containerName: data-plane
        resource: limits.cpu
  {{- end }}
  {{- with $c.extraEnvs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
- name: http
  containerPort: {{ $c.containerPort.http }}
  protocol: TCP
  {{- if $c.hostPort.enabled }}
  hostPort: {{ $c.hostPort.ports.http }}
  {{- end }}
- name: https
  containerPort: {{ $c.containerPort.https }}
  protocol: TCP
  {{- if $c.hostPort.enabled }}
  hostPort: {{ $c.hostPort.ports.https }}
  {{- end }}
- name: metrics
  containerPort: {{ $c.metrics.port }}
  protocol: TCP
{{- range $protocol := list "tcp" "udp" }}
{{- range $port, $_ := default dict (get $.Values $protocol) }}
- name: {{ $port }}-{{ $protocol }}
  containerPort: {{ $port }}
  protocol: {{ upper $protocol }}
  {{- if $c.hostPort.enabled }}
  hostPort: {{ $port }}
  {{- end }}
{{- end }}
{{- end }}
{{- range $name := list "livenessProbe" "readinessProbe" "startupProbe" }}
{{- with get $c $name }}
{{- $probe := deepCopy . }}
{{- if and (eq $name "readinessProbe") (eq (dig "httpGet" "path" "" $probe) "/healthz") }}
{{- /* As ingress-nginx has it; here /healthz is 200 before there is anything to serve. */}}
{{- $_ := set $probe.httpGet "path" "/readyz" }}
{{- end }}
{{ $name }}:
  {{- toYaml $probe | nindent 2 }}
{{- end }}
{{- end }}
{{- if include "serin.ownLifecycle" . }}
lifecycle:
  {{- toYaml $c.lifecycle | nindent 2 }}
{{- end }}
securityContext:
  {{- $low := or (lt (int $c.containerPort.http) 1024) (lt (int $c.containerPort.https) 1024) }}
  {{- include "serin.containerSecurity" (dict "add" (ternary (list "NET_BIND_SERVICE") list (and $c.hostNetwork $low))) | nindent 2 }}
{{- with $d.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
- name: plan
  mountPath: /run/serin/plan
  readOnly: true
- name: state
  mountPath: /run/serin/state
{{- if eq $d.plane "nginx" }}
- name: temp
  mountPath: /run/serin/temp
{{- end }}
{{- with $d.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "serin.volumes" -}}
{{- $c := .Values.controller -}}
- name: plan
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.dataPlane.runDirectory.planSizeLimit }}
- name: state
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.dataPlane.runDirectory.stateSizeLimit }}
{{- if eq .Values.dataPlane.plane "nginx" }}
# Bodies that nginx does not hold in its buffers: on disk, where they do not count as memory.
- name: temp
  emptyDir:
    sizeLimit: {{ .Values.dataPlane.runDirectory.tempSizeLimit }}
{{- end }}
- name: token
  projected:
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3607
    - configMap:
        name: kube-root-ca.crt
        items:
        - key: ca.crt
          path: ca.crt
    - downwardAPI:
        items:
        - path: namespace
          fieldRef:
            fieldPath: metadata.namespace
{{- if $c.admissionWebhooks.enabled }}
- name: webhook
  secret:
    secretName: {{ include "serin.webhookSecret" . }}
    # A certificate that is late must not keep the pod from serving.
    optional: true
    items:
    - key: tls.crt
      path: tls.crt
    - key: tls.key
      path: tls.key
{{- end }}
{{- if $c.rollouts.facts.enabled }}
- name: facts
  secret:
    secretName: {{ default (include "serin.facts" .) $c.rollouts.facts.existingSecret }}
    optional: true
    items:
    {{- range list "ca.crt" "tls.crt" "tls.key" "token" }}
    - key: {{ . }}
      path: {{ . }}
    {{- end }}
{{- end }}
{{- with $c.rollouts.notifications.existingSecret }}
- name: notifications
  secret:
    secretName: {{ . }}
    # Whom to tell must not keep the pod from serving.
    optional: true
    items:
    - key: sinks.yaml
      path: sinks.yaml
{{- end }}
{{- with $c.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
