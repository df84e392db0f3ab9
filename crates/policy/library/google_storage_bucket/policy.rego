# Buckets are private and have one kind of access.
#
# Judges google_storage_bucket: access by role only, and public access prevented. What is not known to be on is denied.
package statehouse.google_storage_bucket

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "objects have access lists of their own; set uniform_bucket_level_access = true") if {
	some change in plan.made.google_storage_bucket
	not change.change.after.uniform_bucket_level_access == true
}

deny contains plan.denial(change, "public access is not prevented; set public_access_prevention = \"enforced\"") if {
	some change in plan.made.google_storage_bucket
	not change.change.after.public_access_prevention == "enforced"
}
