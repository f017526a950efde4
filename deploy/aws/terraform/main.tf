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
