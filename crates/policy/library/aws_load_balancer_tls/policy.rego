# Load balancers speak TLS, with a modern policy.
#
# Judges listeners: plain HTTP may only redirect to HTTPS, and the TLS policy of a listener must be an allowed one. A
# policy that is not set is the provider's default, ELBSecurityPolicy-2016-08, which is denied unless allowed.
package statehouse.aws_load_balancer_tls

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_load_balancer_tls

deny contains plan.denial(change, "it serves plain HTTP; redirect to HTTPS, or listen on HTTPS") if {
	some change in listeners
	change.change.after.protocol == "HTTP"
	not redirects(change)
}

deny contains plan.denial(change, sprintf("the TLS policy is %s; set ssl_policy to one like %s", [used, concat(", ", parameters.policies)])) if {
	some change in listeners
	change.change.after.protocol in {"HTTPS", "TLS"}
	used := tls_policy(change)
	not plan.is_like_any(used, parameters.policies)
}

listeners contains change if {
	some type in ["aws_lb_listener", "aws_alb_listener"]
	some change in plan.made[type]
}

redirects(change) if {
	some action in plan.blocks(change, "default_action")
	some redirect in plan.items(action, "redirect")
	redirect.protocol == "HTTPS"
}

tls_policy(change) := name if {
	name := change.change.after.ssl_policy
	is_string(name)
} else := "the default"
