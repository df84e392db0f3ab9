# File systems are encrypted at rest.
#
# Judges aws_efs_file_system; a value that is not set means not encrypted. FSx encrypts always and is not judged.
package statehouse.aws_efs_encryption

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "the file system is not encrypted; set encrypted = true (one that exists must be replaced)") if {
	some change in plan.made.aws_efs_file_system
	not change.change.after.encrypted == true
}
