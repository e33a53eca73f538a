"""What may run at one data holder: job specification, policy, methods, jail, disclosure control and the state machine of a job."""
