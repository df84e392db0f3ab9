# Databases are encrypted at rest.
#
# Judges storage_encrypted of aws_db_instance and aws_rds_cluster, and encrypted of Redshift clusters. A replica of
# another instance has the encryption of its source, and a serverless (v1) cluster is always encrypted: these are not
# judged.
package statehouse.aws_rds_encryption

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "its storage is not encrypted; set storage_encrypted = true (an instance that exists must be replaced)") if {
	some change in plan.made.aws_db_instance
	not change.change.after.storage_encrypted == true
	not plan.is_given(change, ["replicate_source_db"])
}

deny contains plan.denial(change, "its storage is not encrypted; set storage_encrypted = true") if {
	some type in ["aws_rds_cluster", "aws_docdb_cluster", "aws_neptune_cluster"]
	some change in plan.made[type]
	not change.change.after.storage_encrypted == true
	not change.change.after.engine_mode == "serverless"
}

deny contains plan.denial(change, "its storage is not encrypted; set encrypted = true") if {
	some change in plan.made.aws_redshift_cluster
	not plan.value(change, ["encrypted"]) in {true, "true"}
}
