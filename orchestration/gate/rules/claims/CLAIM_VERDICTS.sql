-- severity: blocker
-- title: every configured claim has a verdict, and no other claim has one
-- judged: ok
-- one_of: [true]
-- message: "{claim_id}: verdict {verdict}, configured: {is_configured}"
select claim_id, configured_claims.claim_id is not null as is_configured,
    coalesce(claims.verdict, 'none') as verdict,
    configured_claims.claim_id is not null and claims.verdict is not null as ok
from configured_claims full outer join claims using (claim_id);
