# Images are looked through and their tags do not move.
#
# Judges image_tag_mutability and scan_on_push of aws_ecr_repository; by default tags move and nothing is looked
# through.
package statehouse.aws_ecr_repository

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "tags can be moved to another image; set image_tag_mutability = \"IMMUTABLE\"") if {
	some change in plan.made.aws_ecr_repository
	not startswith(object.get(change.change.after, "image_tag_mutability", "MUTABLE"), "IMMUTABLE")
}

deny contains plan.denial(change, "images are not looked through; set scan_on_push = true in image_scanning_configuration") if {
	some change in plan.made.aws_ecr_repository
	count([1 | some block in plan.blocks(change, "image_scanning_configuration"); block.scan_on_push == true]) == 0
}
