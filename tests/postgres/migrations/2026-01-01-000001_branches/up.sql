CREATE TABLE branches (id SERIAL PRIMARY KEY, city TEXT NOT NULL);
INSERT INTO branches (city) VALUES ('Basel'), ('Graz');
