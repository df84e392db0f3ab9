# S3 buckets have no public ACL.
#
# Judges aws_s3_bucket_acl, its grants, the ACL of objects, and the acl argument that aws_s3_bucket had before version 4
# of the provider. An ACL that is not known yet is not judged.
package statehouse.aws_s3_acl

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_s3_acl

deny contains plan.denial(change, sprintf("the ACL %s lets strangers in; use private", [acl])) if {
	some type in ["aws_s3_bucket_acl", "aws_s3_bucket", "aws_s3_object"]
	some change in plan.made[type]
	acl := change.change.after.acl
	acl in parameters.denied
}

deny contains plan.denial(change, sprintf("a grant is for %s; grant to accounts only", [grantee.uri])) if {
	some change in plan.made.aws_s3_bucket_acl
	some policy in plan.blocks(change, "access_control_policy")
	some grant in plan.items(policy, "grant")
	some grantee in plan.items(grant, "grantee")
	regex.match(`/(AllUsers|AuthenticatedUsers)$`, grantee.uri)
}
