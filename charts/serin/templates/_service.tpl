{{/* A Service for traffic: (dict "root" $ "name" N "service" S), S as controller.service or its `internal`. */}}
{{- define "serin.service" -}}
{{- $s := .service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "serin.metadata" (dict "root" .root "name" .name "component" "controller" "labels" $s.labels "annotations" $s.annotations) | nindent 2 }}
spec:
  type: {{ $s.type }}
  {{- range $field := list "clusterIP" "externalTrafficPolicy" "internalTrafficPolicy" "sessionAffinity" "trafficDistribution" "ipFamilyPolicy" }}
  {{- with get $s $field }}
  {{ $field }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- if eq $s.type "LoadBalancer" }}
  {{- range $field := list "loadBalancerIP" "loadBalancerClass" }}
  {{- with get $s $field }}
  {{ $field }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- with $s.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if kindIs "bool" $s.allocateLoadBalancerNodePorts }}
  allocateLoadBalancerNodePorts: {{ $s.allocateLoadBalancerNodePorts }}
  {{- end }}
  {{- end }}
  {{- range $field := list "externalIPs" "ipFamilies" }}
  {{- with get $s $field }}
  {{ $field }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  ports:
  {{- range $port := .ports }}
  - name: {{ $port }}
    port: {{ get $s.ports $port }}
    targetPort: {{ get $s.targetPorts $port }}
    protocol: TCP
    {{- if $s.appProtocol }}
    appProtocol: {{ $port }}
    {{- end }}
    {{- if ne $s.type "ClusterIP" }}
    {{- with get $s.nodePorts $port }}
    nodePort: {{ . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- range $protocol := list "tcp" "udp" }}
  {{- range $port, $_ := default dict (get $.root.Values $protocol) }}
  - name: {{ $port }}-{{ $protocol }}
    port: {{ $port }}
    targetPort: {{ $port }}-{{ $protocol }}
    protocol: {{ upper $protocol }}
    {{- if ne $s.type "ClusterIP" }}
    {{- with get (default dict (get $s.nodePorts $protocol)) $port }}
    nodePort: {{ . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "serin.selector" .root | nindent 4 }}
{{- end -}}
