package statehouse.aws_load_balancer_tls_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_load_balancer_tls as policy

bad := [
	{"type": "aws_lb_listener", "after": {"protocol": "HTTP", "default_action": [{"type": "forward", "redirect": []}]}},
	{"type": "aws_lb_listener", "after": {"protocol": "HTTP", "default_action": [{"type": "redirect", "redirect": [{"protocol": "HTTP"}]}]}},
	{"type": "aws_alb_listener", "after": {"protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-2016-08"}},
	{"type": "aws_lb_listener", "after": {"protocol": "TLS"}, "unknown": {"ssl_policy": true}},
]

good := [
	{"type": "aws_lb_listener", "after": {"protocol": "HTTP", "default_action": [{"type": "redirect", "redirect": [{"protocol": "HTTPS", "port": "443"}]}]}},
	{"type": "aws_lb_listener", "after": {"protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}},
	{"type": "aws_lb_listener", "after": {"protocol": "TCP"}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample)
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample)
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample)
	}
}
