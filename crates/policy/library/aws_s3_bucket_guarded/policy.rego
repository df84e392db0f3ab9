# A new S3 bucket comes with a public access block.
#
# Judges each aws_s3_bucket that is created: in the same plan a public access block must be made whose bucket has the
# same name, or whose configuration in the same module refers to the bucket.
package statehouse.aws_s3_bucket_guarded

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "no aws_s3_bucket_public_access_block is made for it; add one whose bucket is this bucket's id") if {
	some change in plan.made.aws_s3_bucket
	"create" in change.change.actions
	not is_guarded_by_name(change)
	not is_guarded_by_reference(change)
}

is_guarded_by_name(change) if change.change.after.bucket in guarded_names

is_guarded_by_reference(change) if {
	reference := concat("", ["aws_s3_bucket.", change.name])
	some block in configured_blocks
	block.module == module_of(change)
	some found in plan.items(block, "references")
	found == reference
}

guarded_names contains block.change.after.bucket if some block in plan.made.aws_s3_bucket_public_access_block

# What the configuration gives as the bucket of each block, and in which module.
configured_blocks contains {"module": one.module, "references": one.resource.expressions.bucket.references} if {
	some one in plan.configured
	one.resource.type == "aws_s3_bucket_public_access_block"
	one.resource.mode == "managed"
}

# The module of a resource, as the configuration names it: without the keys of its instances.
module_of(change) := concat(".", [name | some name in split(bare, "."); name != "module"]) if {
	bare := regex.replace(object.get(change, "module_address", ""), `\[("[^"]*"|[0-9]+)\]`, "")
}
