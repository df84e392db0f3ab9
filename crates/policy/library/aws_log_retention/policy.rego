# Log groups keep their logs for a while, and not for ever.
#
# Judges retention_in_days of aws_cloudwatch_log_group; 0, the default, keeps logs for ever.
package statehouse.aws_log_retention

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("logs are kept for %v days; set retention_in_days between %v and %v", [days, limits.days_min, limits.days_max])) if {
	limits := data.parameters.aws_log_retention
	some change in plan.made.aws_cloudwatch_log_group
	not plan.is_unknown(change, ["retention_in_days"])
	days := kept_days(change)
	not is_within(days, limits)
}

# 0 stands for ever.
kept_days(change) := days if {
	days := plan.value(change, ["retention_in_days"])
	days > 0
} else := "endless"

is_within(days, limits) if {
	is_number(days)
	days >= limits.days_min
	days <= limits.days_max
}
