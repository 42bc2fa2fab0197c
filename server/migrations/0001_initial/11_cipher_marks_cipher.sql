CREATE INDEX cipher_marks_cipher ON cipher_marks (cipher_id)
