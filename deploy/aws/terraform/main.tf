# The stream, the role that the processor's pods take, and alarms on what the stream itself tells.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

resource "aws_kinesis_stream" "exports" {
  name             = var.stream_name
  shard_count      = var.shard_count
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.kms_key_arn == null ? "alias/aws/kinesis" : var.kms_key_arn
  tags             = var.tags

  # On-demand where no number of shards is given.
  stream_mode_details {
    stream_mode = var.shard_count == null ? "ON_DEMAND" : "PROVISIONED"
  }

  # What consumers have not read goes with a stream, and the processor does not export it again. Another name would make
  # it anew; `terraform destroy` asks for this to be taken out first.
  lifecycle {
    prevent_destroy = true
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:sub"
      values   = ["system:serviceaccount:${var.kubernetes_namespace}:processor"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

locals {
  oidc_issuer = split(":oidc-provider/", var.oidc_provider_arn)[1]

  # One list of actions, here and for those who use no Terraform.
  export_policy = replace(
    file("${path.module}/../iam-policy.json"),
    "arn:aws:kinesis:eu-west-1:111122223333:stream/profile-exports",
    aws_kinesis_stream.exports.arn
  )

  kms_policy = var.kms_key_arn == null ? null : replace(
    replace(
      file("${path.module}/../iam-policy-kms.json"),
      "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
      var.kms_key_arn
    ),
    "eu-west-1",
    split(":", var.kms_key_arn)[3]
  )

  # Names by their whole last part, quote and all: one may be a part of another.
  msk_names = {
    "profile-changes"                               = var.kafka_topic
    "profile-changes-dead-letters"                  = "${var.kafka_topic}-dead-letters"
    "loyalty-exports"                               = var.kafka_group
    "loyalty-exports-profile-changes-state"         = "${var.kafka_group}-${var.kafka_topic}-state"
    "loyalty-exports-profile-changes-backfill"      = "${var.kafka_group}-${var.kafka_topic}-backfill"
    "loyalty-exports-profile-changes-configuration" = "${var.kafka_group}-${var.kafka_topic}-configuration"
  }

  msk_policy = var.msk_cluster_arn == null ? null : jsonencode({
    Version = jsondecode(file("${path.module}/../iam-policy-msk.json")).Version
    Statement = [
      for statement in jsondecode(file("${path.module}/../iam-policy-msk.json")).Statement : merge(statement, {
        # Of the example's ARN its kind is kept, cluster, topic or group, and its last part, put as yours.
        Resource = join("/", compact([
          replace(var.msk_cluster_arn, ":cluster/", ":${split("/", split(":", statement.Resource)[5])[0]}/"),
          length(split("/", statement.Resource)) == 3 ? "" : local.msk_names[split("/", statement.Resource)[3]],
        ]))
      })
    ]
  })
}

resource "aws_iam_role" "processor" {
  name               = var.role_name
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "export" {
  name   = "export"
  role   = aws_iam_role.processor.id
  policy = local.export_policy
}

resource "aws_iam_role_policy" "kms" {
  count  = var.kms_key_arn == null ? 0 : 1
  name   = "kms"
  role   = aws_iam_role.processor.id
  policy = local.kms_policy
}

resource "aws_iam_role_policy" "msk" {
  count  = var.msk_cluster_arn == null ? 0 : 1
  name   = "msk"
  role   = aws_iam_role.processor.id
  policy = local.msk_policy
}

resource "aws_cloudwatch_metric_alarm" "throttled" {
  alarm_name          = "${var.stream_name}-throttled"
  alarm_description   = "The stream takes less than is written to it: add shards."
  namespace           = "AWS/Kinesis"
  metric_name         = "WriteProvisionedThroughputExceeded"
  dimensions          = { StreamName = aws_kinesis_stream.exports.name }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 3
  threshold           = 0.1
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "consumers_behind" {
  alarm_name          = "${var.stream_name}-consumers-behind"
  alarm_description   = "A consumer reads what is older than half of the retention: what expires is lost to it."
  namespace           = "AWS/Kinesis"
  metric_name         = "GetRecords.IteratorAgeMilliseconds"
  dimensions          = { StreamName = aws_kinesis_stream.exports.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  threshold           = var.retention_hours * 3600 * 1000 / 2
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}
