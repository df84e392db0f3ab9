# Function addresses ask who calls.
#
# Judges authorization_type of aws_lambda_function_url.
package statehouse.aws_lambda_url

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "everybody can call the function; set authorization_type = \"AWS_IAM\"") if {
	some change in plan.made.aws_lambda_function_url
	change.change.after.authorization_type == "NONE"
}
