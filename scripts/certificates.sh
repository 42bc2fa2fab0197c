# shellcheck shell=bash
# Certificates for servers of one run. Sourced by ./test.

# An authority, and a certificate for the loopback names which it has signed.
loopback_certificates() { # DIR
    local dir=$1
    cat >"$dir/openssl.cnf" <<'END'
[req]
distinguished_name = name
prompt = no
[name]
CN = Undercroft tests
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
END
    local -a request=(openssl req -config "$dir/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    "${request[@]}" -x509 -days 2 -extensions authority -keyout "$dir/ca.key" -out "$dir/ca.pem" &&
        "${request[@]}" -subj '/CN=localhost' -keyout "$dir/server.key" -out "$dir/server.csr" &&
        openssl x509 -req -days 2 -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial \
            -extfile "$dir/openssl.cnf" -extensions server -out "$dir/server.pem" &&
        chmod 600 -- "$dir/server.key" && chmod 644 -- "$dir/ca.pem"
}
