# Functions use a runtime that is still cared for.
#
# Judges runtime of aws_lambda_function. Functions from images have none and are not judged.
package statehouse.aws_lambda_runtime

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_lambda_runtime

deny contains plan.denial(change, sprintf("the runtime %s is out of care; use a newer one", [runtime])) if {
	some change in plan.made.aws_lambda_function
	runtime := change.change.after.runtime
	runtime in denied
}

denied := {runtime |
	some runtime in {change.change.after.runtime | some change in plan.made.aws_lambda_function}
	is_string(runtime)
	plan.is_like_any(runtime, parameters.denied)
}
