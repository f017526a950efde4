output "stream_name" {
  description = "For `stream` in destination.yaml."
  value       = aws_kinesis_stream.exports.name
}

output "role_arn" {
  description = "For the ServiceAccount's annotation eks.amazonaws.com/role-arn."
  value       = aws_iam_role.processor.arn
}
