{{- define "wegent.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{- /* What all names begin with: cut to leave room for what they end with, without dots, and with
a letter first, as Services have it. */}}
{{- define "wegent.fullname" -}}
{{- $name := include "wegent.name" . }}
{{- $release := .Release.Name | lower | replace "." "-" }}
{{- if not (regexMatch "^[a-z]" $release) }}
{{- $release = printf "%s-%s" $name $release }}
{{- else if not (contains $name $release) }}
{{- $release = printf "%s-%s" $release $name }}
{{- end }}
{{- .Values.fullnameOverride | default $release | trunc 40 | trimAll "-" }}
{{- end }}

{{- define "wegent.operator.fullname" -}}
{{ include "wegent.fullname" . }}-operator
{{- end }}

{{- define "wegent.api.fullname" -}}
{{ include "wegent.fullname" . }}-api
{{- end }}

{{- define "wegent.runner.fullname" -}}
{{ include "wegent.fullname" . }}-runner
{{- end }}

{{- define "wegent.runner.claimName" -}}
{{ .Values.runner.store.persistence.existingClaim | default (include "wegent.runner.fullname" .) }}
{{- end }}

{{- define "wegent.firstAdmin.fullname" -}}
{{ include "wegent.fullname" . }}-first-admin
{{- end }}

{{- define "wegent.firstAdmin.secretName" -}}
{{ .Values.firstAdmin.existingSecret | default (include "wegent.firstAdmin.fullname" .) }}
{{- end }}

{{- define "wegent.uninstall.fullname" -}}
{{ include "wegent.fullname" . }}-uninstall
{{- end }}

{{- define "wegent.operator.serviceAccountName" -}}
{{- with .Values.operator.serviceAccount }}
{{- if .create }}{{ .name | default (include "wegent.operator.fullname" $) }}{{ else }}{{ required "operator.serviceAccount.name: is needed where create is false" .name }}{{ end }}
{{- end }}
{{- end }}

{{- define "wegent.api.serviceAccountName" -}}
{{- with .Values.api.serviceAccount }}
{{- if .create }}{{ .name | default (include "wegent.api.fullname" $) }}{{ else }}{{ required "api.serviceAccount.name: is needed where create is false" .name }}{{ end }}
{{- end }}
{{- end }}

{{- define "wegent.runner.serviceAccountName" -}}
{{- with .Values.runner.serviceAccount }}
{{- if .create }}{{ .name | default (include "wegent.runner.fullname" $) }}{{ else }}{{ required "runner.serviceAccount.name: is needed where create is false" .name }}{{ end }}
{{- end }}
{{- end }}

{{- define "wegent.labels" -}}
{{- include "wegent.labelsOf" (dict "root" .) }}
{{- end }}

{{- /* Labels of an object of a component, where the chart's own win over whatever else is given.
Takes root, component or nothing, labels or nothing. */}}
{{- define "wegent.labelsOf" -}}
{{- $root := .root }}
{{- $own := dict "helm.sh/chart" (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_")) }}
{{- $_ := set $own "app.kubernetes.io/name" (include "wegent.name" $root) }}
{{- $_ := set $own "app.kubernetes.io/instance" $root.Release.Name }}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/part-of" "wegent" }}
{{- with .component }}
{{- $_ := set $own "app.kubernetes.io/component" . }}
{{- end }}
{{- merge $own (.labels | default dict) $root.Values.commonLabels | toYaml }}
{{- end }}

{{- /* Selects a component's Pods. Takes root, component. */}}
{{- define "wegent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wegent.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* What uninstalling leaves in the cluster together with users' objects. */}}
{{- define "wegent.keep" }}
{{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
{{- end }}
{{- end }}

{{- /* A program's image. Takes root, component. */}}
{{- define "wegent.image" -}}
{{- $all := .root.Values.image }}
{{- with (index .root.Values .component).image }}
{{- if not (or .repository $all.repository) }}
{{- fail (printf "image.repository: is required, such as registry.example.com/wegent for registry.example.com/wegent-operator, -api and -runner; `make image` builds the images. Or set %s.image.repository" $.component) }}
{{- end }}
{{- .repository | default (printf "%s-%s" $all.repository $.component) -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $all.tag | default $.root.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* Settings that are set, as environment variables. Takes prefix, settings. */}}
{{- define "wegent.settings" -}}
{{- $prefix := .prefix }}
{{- range $name, $value := .settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $prefix }}{{ $name | snakecase | upper }}
  {{- /* Helm reads every number as a float, and writes large ones with an exponent. */}}
  {{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}
  value: {{ $value | int64 | quote }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Labels of a component's Pods. Takes root, component, labels. */}}
{{- define "wegent.podLabels" -}}
{{- $own := include "wegent.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "wegent" }}
{{- merge $own (.labels | default dict) .root.Values.commonLabels | toYaml }}
{{- end }}

{{- /* How all Pods run. */}}
{{- define "wegent.podSecurity" -}}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What all containers have. Takes root, component. */}}
{{- define "wegent.container" -}}
image: {{ include "wegent.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{- /* Where a workload's Pods run. Takes root, component, part (of the values). */}}
{{- define "wegent.scheduling" -}}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
topologySpreadConstraints:
{{- $selector := dict "matchLabels" (include "wegent.selectorLabels" . | fromYaml) }}
{{- $spread := .part.topologySpreadConstraints }}
{{- if not $spread }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
{{- end }}
{{- end }}
{{- range $spread }}
{{ list (merge (dict) . (dict "labelSelector" $selector)) | toYaml }}
{{- end }}
{{- end }}

{{- /* The Pods of the Jobs around installing and uninstalling. */}}
{{- define "wegent.jobScheduling" -}}
{{- with .Values.jobs.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.jobs.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.jobs.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.jobs.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Annotations of a hook, which goes when all of its event are done. Takes event, weight. */}}
{{- define "wegent.hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* Whether to install the mutating policies; empty: no. */}}
{{- define "wegent.mutating" -}}
{{- $has := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- if eq .Values.policies.mutating "auto" | ternary $has (eq .Values.policies.mutating "always") }}yes{{ end }}
{{- end }}
