//! Signatures of tokens, checked by ring, which the TLS of this binary uses already. Only public keys: guichet signs no
//! token, and no secret is ever taken for a key.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| -> Result<Box<dyn JwtSigner>, Error> { Err(refused()) },
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this the cryptography of the library, once per process.
pub(super) fn install() {
    // Whoever comes first installs it; it is the same.
    let _ = PROVIDER.install_default();
}

/// The algorithm with this name, if it is one that may be configured.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    let algorithm = name.parse().ok()?;
    way(algorithm).map(|_| algorithm)
}

/// How an algorithm is checked.
#[derive(Debug, Clone, Copy)]
enum Way {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

/// `None` for what is signed with a secret (whoever knows a public key could forge it) and for what the library learns
/// later.
#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is open; what is not listed is refused")]
fn way(algorithm: Algorithm) -> Option<Way> {
    match algorithm {
        Algorithm::RS256 => Some(Way::Rsa(&RSA_PKCS1_2048_8192_SHA256)),
        Algorithm::RS384 => Some(Way::Rsa(&RSA_PKCS1_2048_8192_SHA384)),
        Algorithm::RS512 => Some(Way::Rsa(&RSA_PKCS1_2048_8192_SHA512)),
        Algorithm::PS256 => Some(Way::Rsa(&RSA_PSS_2048_8192_SHA256)),
        Algorithm::PS384 => Some(Way::Rsa(&RSA_PSS_2048_8192_SHA384)),
        Algorithm::PS512 => Some(Way::Rsa(&RSA_PSS_2048_8192_SHA512)),
        Algorithm::ES256 => Some(Way::Point(&ECDSA_P256_SHA256_FIXED)),
        Algorithm::ES384 => Some(Way::Point(&ECDSA_P384_SHA384_FIXED)),
        Algorithm::EdDSA => Some(Way::Point(&ED25519)),
        _ => None,
    }
}

fn refused() -> Error {
    ErrorKind::InvalidKeyFormat.into()
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let way = way(*algorithm).ok_or_else(|| Error::from(ErrorKind::InvalidAlgorithm))?;
    if key.family() != algorithm.family() {
        return Err(refused());
    }
    Ok(Box::new(Ring { algorithm: *algorithm, way, key: key.clone() }))
}

struct Ring {
    algorithm: Algorithm,
    way: Way,
    key: DecodingKey,
}

impl signature::Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], sign: &Vec<u8>) -> Result<(), signature::Error> {
        let checked = match (self.way, self.key.kind()) {
            (Way::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, sign)
            }
            (Way::Point(way), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(way, point).verify(message, sign)
            }
            (Way::Rsa(_), DecodingKeyKind::SecretOrDer(_))
            | (Way::Point(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(signature::Error::new());
            }
        };
        checked.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
