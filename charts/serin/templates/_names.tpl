{{/* Names and labels. Names of cluster-wide objects end with the namespace, so that releases of one name in two
     namespaces are not in each other's way. */}}

{{- define "serin.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "serin.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "serin.namespace" -}}
{{ default .Release.Namespace .Values.namespaceOverride }}
{{- end -}}

{{/* Of the Deployment or DaemonSet, the Service and the ConfigMap. */}}
{{- define "serin.controller" -}}
{{ include "serin.fullname" . }}-controller
{{- end -}}

{{- define "serin.admission" -}}
{{ include "serin.fullname" . }}-admission
{{- end -}}

{{/* Of the headless Service of all replicas, and of the Secret that they know each other by. */}}
{{- define "serin.facts" -}}
{{ include "serin.fullname" . }}-facts
{{- end -}}

{{- define "serin.clusterWide" -}}
{{ include "serin.fullname" . }}.{{ include "serin.namespace" . }}
{{- end -}}

{{- define "serin.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "serin.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "serin.ingressClass" -}}
{{ default .Values.controller.ingressClassResource.name .Values.controller.ingressClass }}
{{- end -}}

{{- define "serin.lease" -}}
{{ default (printf "%s-leader" (include "serin.fullname" .)) .Values.controller.electionID }}
{{- end -}}

{{- define "serin.webhookSecret" -}}
{{ default (include "serin.admission" .) .Values.controller.admissionWebhooks.existingSecret }}
{{- end -}}

{{/* Never change these: a Deployment's selector is fixed for its life. */}}
{{- define "serin.selector" -}}
app.kubernetes.io/name: {{ include "serin.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{/* Labels of an object: (list $ "component" more…), later ones before earlier ones,
     but for those that selectors go by. */}}
{{- define "serin.labels" -}}
{{- $root := first . -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/part-of" (include "serin.name" $root)
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $labels = mergeOverwrite $labels (deepCopy (default dict $root.Values.commonLabels)) -}}
{{- range slice . 2 -}}{{- $labels = mergeOverwrite $labels (deepCopy (default dict .)) -}}{{- end -}}
{{- $labels = mergeOverwrite $labels (include "serin.selector" $root | fromYaml) (dict "app.kubernetes.io/component" (index . 1)) -}}
{{ toYaml $labels }}
{{- end -}}

{{/* metadata of an object in the release's namespace: (dict "root" $ "name" N "component" C "labels" L "annotations" A). */}}
{{- define "serin.metadata" -}}
name: {{ .name }}
{{- if not .clusterWide }}
namespace: {{ default (include "serin.namespace" .root) .namespace }}
{{- end }}
labels:
  {{- include "serin.labels" (list .root .component (default dict .labels)) | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A value as the text that its user wrote: numbers of values files come as floats, of which Go prints large ones as 1e+06. */}}
{{- define "serin.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}
