"""What travels: the requests and answers of the HTTP API."""
