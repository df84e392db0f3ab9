package statehouse.google_firewall_ingress_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_firewall_ingress as policy

bad := [
	{"type": "google_compute_firewall", "after": {"direction": "INGRESS", "source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "tcp", "ports": ["22"]}]}},
	{"type": "google_compute_firewall", "after": {"source_ranges": ["10.0.0.0/8", "::/0"], "allow": [{"protocol": "all", "ports": []}]}},
	{"type": "google_compute_firewall", "after": {"source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "tcp"}]}, "unknown": {"direction": true}},
]

good := [
	{"type": "google_compute_firewall", "after": {"direction": "INGRESS", "source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "tcp", "ports": ["443"]}, {"protocol": "icmp", "ports": []}]}},
	{"type": "google_compute_firewall", "after": {"direction": "EGRESS", "source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "all"}]}},
	{"type": "google_compute_firewall", "after": {"disabled": true, "source_ranges": ["0.0.0.0/0"], "allow": [{"protocol": "all"}]}},
	{"type": "google_compute_firewall", "after": {"source_ranges": ["10.0.0.0/8"], "allow": [{"protocol": "all"}]}},
	{"type": "google_compute_firewall", "after": {"allow": [{"protocol": "all"}]}, "unknown": {"source_ranges": true}},
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
