variable "stream_name" {
  description = "The name of the stream, as `stream` in destination.yaml has it."
  type        = string
  default     = "profile-exports"
}

variable "shard_count" {
  description = "Shards, each for 1,000 records and 1 MiB a second; null for an on-demand stream."
  type        = number
  default     = null
}

variable "retention_hours" {
  description = "How long the stream keeps records: longer than any outage of a consumer."
  type        = number
  default     = 168
}

variable "kms_key_arn" {
  description = "A key of your own for the stream; null for the one that AWS manages."
  type        = string
  default     = null
}

variable "msk_cluster_arn" {
  description = "The MSK cluster, where it authenticates by IAM: the role may then read the source and keep state; null for other ways in."
  type        = string
  default     = null
}

variable "kafka_topic" {
  description = "PROCESSOR_KAFKA_TOPIC, for the policy on MSK."
  type        = string
  default     = "profile-changes"
}

variable "kafka_group" {
  description = "PROCESSOR_KAFKA_GROUP, for the policy on MSK."
  type        = string
  default     = "loyalty-exports"
}

variable "role_name" {
  description = "The name of the role that the ServiceAccount is annotated with."
  type        = string
  default     = "processor"
}

variable "oidc_provider_arn" {
  description = "The EKS cluster's OIDC provider in IAM."
  type        = string
}

variable "kubernetes_namespace" {
  description = "The namespace of the ServiceAccount `processor`."
  type        = string
  default     = "processor"
}

variable "alarm_actions" {
  description = "ARNs that are told of alarms, such as an SNS topic."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
