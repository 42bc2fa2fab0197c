CREATE INDEX cipher_marks_folder ON cipher_marks (folder_id)
