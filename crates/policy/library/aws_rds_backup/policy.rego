# Databases keep backups and cannot be deleted by accident.
#
# Judges backup_retention_period and deletion_protection of aws_db_instance and aws_rds_cluster. What is not known to be
# set is denied. A replica keeps no backups of its own.
package statehouse.aws_rds_backup

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_rds_backup

deny contains plan.denial(change, sprintf("backups are kept for %v days; set backup_retention_period to at least %v", [days, parameters.days_min])) if {
	some type in ["aws_db_instance", "aws_rds_cluster"]
	some change in plan.made[type]
	not plan.is_given(change, ["replicate_source_db"])
	days := kept_days(change)
	days < parameters.days_min
}

deny contains plan.denial(change, "it can be deleted by accident; set deletion_protection = true") if {
	parameters.deletion_protection
	some type in ["aws_db_instance", "aws_rds_cluster"]
	some change in plan.made[type]
	not change.change.after.deletion_protection == true
}

# Without a value, an instance keeps none.
kept_days(change) := days if {
	days := change.change.after.backup_retention_period
	is_number(days)
} else := 0
