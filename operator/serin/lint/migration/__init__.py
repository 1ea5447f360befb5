"""What changes for whoever comes from ingress-nginx: each Ingress, each annotation, each option and flag, judged."""
