-- One row of each customer, the newest, as text: the importer reads types by its own configuration.
{{ config(materialized="external", location=env_var("DBT_OUTPUT", "customers.parquet"), format="parquet") }}

select customer_id, plan, city
from read_csv('{{ env_var("DBT_LIST", "samples/customers.csv") }}', all_varchar = true)
where customer_id is not null
qualify row_number() over (partition by customer_id order by last_seen desc nulls last) = 1
