# Databases are not reachable from the Internet.
#
# Judges publicly_accessible of RDS, DMS and Redshift. A value that is not set is the provider's or the subnet group's
# default and not judged, but for Redshift, whose provider shows it.
package statehouse.aws_rds_public

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it is reachable from the Internet; set publicly_accessible = false") if {
	some type in [
		"aws_db_instance", "aws_rds_cluster_instance", "aws_redshift_cluster",
		"aws_redshiftserverless_workgroup", "aws_dms_replication_instance",
	]
	some change in plan.made[type]
	change.change.after.publicly_accessible == true
}
